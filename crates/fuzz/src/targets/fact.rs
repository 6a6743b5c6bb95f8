//! Facts. The first two bytes are the number.

use cantus_core::fact::Fact;

pub(super) fn run(input: &[u8]) {
    let Some((number, bytes)) = input.split_first_chunk() else { return };
    let wanted = u16::from_le_bytes(*number);
    let known = Fact::NUMBERS.iter().any(|(number, _)| *number == wanted);
    let number = if known { wanted } else { Fact::NUMBERS[usize::from(wanted) % Fact::NUMBERS.len()].0 };
    let Ok(fact) = Fact::decode(number, bytes) else { return };
    let mut written = Vec::new();
    fact.encode(&mut written);
    let again = Fact::decode(number, &written);
    assert_eq!(again.as_ref().ok(), Some(&fact), "a fact that was read is written as itself");
}
