//! Facts into a frame, what they are found by, and back.

use cantus_bench::{BATCH, Shared};
use cantus_engine::codec;
use cantus_engine::local::FrameBuilder;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn codec(criterion: &mut Criterion) {
    let shared = Shared::default();
    let facts = shared.batch(1);
    let (mut frame, mut encoder) = (FrameBuilder::new(), codec::Encoder::default());
    let mut fill = move || {
        frame.begin(1, 0);
        for (index, fact) in facts.iter().enumerate() {
            encoder.add(&mut frame, fact, index + 1 == facts.len()).expect("it fits");
        }
        frame.to_frame().expect("it is whole")
    };
    let whole = fill();
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("a batch into a frame", |bencher| bencher.iter(&mut fill));
    group.bench_function("what a frame's records are found by", |bencher| {
        bencher.iter(|| {
            let words = whole.words();
            whole
                .records()
                .map(|record| codec::describe(&words, record.number, record.payload).terms().count())
                .sum::<usize>()
        });
    });
    group.bench_function("a frame into facts", |bencher| {
        bencher.iter(|| {
            let facts = whole.records().map(|record| codec::decode(&whole, &record).expect("it is readable"));
            facts.count()
        });
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
