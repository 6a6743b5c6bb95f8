//! Both shapes of an event, read and written.

use bytes::Bytes;
use cantus_api::event::{Limits, Reader, Shape, write};
use cantus_bench::DATA_BYTES;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const BATCH: usize = 100;

fn json(criterion: &mut Criterion) {
    let pad = "x".repeat(DATA_BYTES - r#"{"pad":""}"#.len());
    let flat = format!(
        r#"{{"specversion":"1.0","type":"TaskCompleted","source":"/bench","data":{{"pad":"{pad}"}}}}"#
    );
    let nested = format!(
        r#"{{"event":{{"type":"TaskCompleted","source":"/bench"}},"payload":{{"pad":"{pad}"}},"routing":{{"topic":"t"}}}}"#
    );
    let limits = Limits::default();
    let reader = Reader::new(&limits);
    let mut group = criterion.benchmark_group("json");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, event, shape) in
        [("CloudEvents", flat, Shape::CloudEvent), ("envelopes", nested, Shape::Envelope)]
    {
        let body = Bytes::from(format!("[{}]", vec![event; BATCH].join(",")));
        group.bench_with_input(BenchmarkId::new("a batch read", name), &body, |bencher, body| {
            bencher.iter(|| reader.batch(body).expect("they are events").len());
        });
        let events = reader.batch(&body).expect("they are events");
        let mut out = Vec::new();
        group.bench_function(BenchmarkId::new("a batch written", name), |bencher| {
            bencher.iter(|| {
                out.clear();
                for event in &events {
                    write(&mut out, &event.view(), shape);
                }
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, json);
criterion_main!(benches);
