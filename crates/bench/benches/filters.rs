//! One event against the filters of few and of many subscriptions.

use cantus_bench::Shared;
use cantus_core::event::EventSubject;
use cantus_core::filter::{Filter, Index};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::json;

fn filters(criterion: &mut Criterion) {
    let event = Shared::default().event(1);
    let mut group = criterion.benchmark_group("filters");
    for count in [10u32, 10_000] {
        let mut index = Index::new();
        for number in 0..count {
            let filter = json!({"type": format!("Other{number}")});
            index.insert(number, Filter::compile(&filter).expect("it is a filter"));
        }
        let mut matching = Vec::new();
        group.bench_with_input(
            BenchmarkId::new("types that are not the event's", count),
            &count,
            |bencher, _| {
                bencher.iter(|| {
                    matching.clear();
                    index.matching(&EventSubject::new(&event), &mut matching)
                });
            },
        );
    }
    for (name, filter) in [
        ("equality", json!({"type": "TaskCompleted"})),
        ("equality in the data", json!({"data.pad": "y"})),
        ("an expression", json!("type == 'TaskCompleted' && data.pad.startsWith('x')")),
    ] {
        let filter = Filter::compile(&filter).expect("it is a filter");
        group.bench_function(name, |bencher| {
            bencher.iter(|| filter.matches(&EventSubject::new(&event)));
        });
    }
    group.finish();
}

criterion_group!(benches, filters);
criterion_main!(benches);
