//! A publish decided and applied, and applied alone as a start does.

use cantus_bench::{BATCH, Shared};
use cantus_core::command::Now;
use cantus_core::coordinator::Limits;
use cantus_core::{Coordinator, State, Timestamp};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn coordinator(criterion: &mut Criterion) {
    let shared = Shared::default();
    let now = Now { at: Timestamp(1), chance: 7 };
    let mut group = criterion.benchmark_group("coordinator");
    group.throughput(Throughput::Elements(BATCH));
    let mut coordinator = Coordinator::new(State::default(), Limits::default());
    let mut next = 1;
    group.bench_function("a batch decided and applied", |bencher| {
        bencher.iter_batched(
            || {
                next += BATCH;
                shared.publish(next - BATCH, 0)
            },
            |command| coordinator.step(&command, now).expect("it is accepted"),
            BatchSize::SmallInput,
        );
    });
    let mut state = State::default();
    let mut next = 1;
    group.bench_function("a batch applied", |bencher| {
        bencher.iter_batched(
            || {
                next += BATCH;
                shared.batch(next - BATCH)
            },
            |facts| facts.iter().try_for_each(|fact| state.apply(fact)).expect("they follow"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, coordinator);
criterion_main!(benches);
