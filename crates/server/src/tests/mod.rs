//! The surfaces as their clients meet them: the router over a real runtime on the local engine in a temporary folder.

mod answering;
mod auditing;
mod bulk_operations;
mod dead_letters;
mod defining;
mod erasing;
mod flowing;
mod given;
mod guarding;
mod hooks;
mod hostile;
mod keeping;
mod operating;
mod publishing;
mod reading;
mod telling;
mod webhooks;
