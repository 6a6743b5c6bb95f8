//! Runs one target. Built with the feature `libfuzzer`, libFuzzer drives it, its target named by CANTUS_FUZZ; else this program
//! mutates seeds by itself: `cantus-fuzz TARGET COUNT [SEED]`.
#![cfg_attr(feature = "libfuzzer", no_main)]

#[cfg(feature = "libfuzzer")]
mod driven {
    use std::sync::LazyLock;

    use cantus_fuzz::Target;
    use cantus_fuzz::targets::named;

    static TARGET: LazyLock<&Target> = LazyLock::new(|| {
        let name = std::env::var("CANTUS_FUZZ").expect("CANTUS_FUZZ names the target");
        named(&name).expect("CANTUS_FUZZ names a target there is")
    });

    libfuzzer_sys::fuzz_target!(|input: &[u8]| (TARGET.run)(input));
}

#[cfg(not(feature = "libfuzzer"))]
fn main() {
    use cantus_fuzz::mutate::{Chance, mutate};
    use cantus_fuzz::targets::named;
    use cantus_fuzz::{TARGETS, corpus};

    let mut arguments = std::env::args().skip(1);
    let target = arguments.next().and_then(|name| named(&name));
    let count = arguments.next().and_then(|count| count.parse::<u64>().ok());
    let (Some(target), Some(count)) = (target, count) else {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: cantus-fuzz TARGET COUNT [SEED]; targets: {}", names.join(", "));
        std::process::exit(2);
    };
    let seed = arguments.next().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut inputs = corpus::seeds(target.name).expect("the seeds can be read");
    let words = corpus::words(target.name).expect("the words can be read");
    let mut chance = Chance::new(seed);
    let crash = std::env::temp_dir().join(format!("cantus-fuzz-{}.input", target.name));
    for _ in 0..count {
        let mut input = inputs[chance.below(inputs.len())].clone();
        let other = chance.below(inputs.len());
        mutate(&mut input, &mut chance, &words, &inputs[other]);
        if std::panic::catch_unwind(|| (target.run)(&input)).is_err() {
            std::fs::write(&crash, &input).expect("the input can be kept");
            eprintln!(
                "{}: {} does not hold; seed {seed}; the input is in {}",
                target.name,
                target.holds,
                crash.display()
            );
            std::process::exit(1);
        }
        // Now and then a mutation is kept as a start for others.
        if chance.below(1_000) == 0 && inputs.len() < 10_000 {
            inputs.push(input);
        }
    }
    println!("{}: {count} inputs, seed {seed}: it holds", target.name);
}
