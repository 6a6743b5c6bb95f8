//! Signals: the first asks the server to finish what it has begun, a second one ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code after a second signal.
const EXIT_INTERRUPTED: i32 = 130;

/// Resolves at the first SIGINT or SIGTERM. From then on the next one ends the process at once; programs that agents run go on
/// under their guardians, and the next start adopts them.
pub(super) async fn first_signal() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals keep their default, which ends the process.
        return std::future::pending().await;
    };
    either(&mut interrupt, &mut terminate).await;
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(EXIT_INTERRUPTED);
    });
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
