//! Why a signature is not taken.

/// Why a webhook is not taken. None of the texts holds anything secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A header is not there.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A header is there more than once, so that two readers could see two things.
    #[error("the header {0} is there more than once")]
    Doubled(&'static str),
    /// The id is not one that can be signed without doubt about where it ends.
    #[error("the header webhook-id must be 1 to 256 visible characters without . % and \"")]
    Id,
    /// The time is no time.
    #[error("the header webhook-timestamp must be seconds since 1970, in digits")]
    Timestamp,
    /// The time is too long ago.
    #[error("the webhook is {0} s old, at most {max} are taken", max = super::standard::TOLERANCE_SECONDS)]
    TooOld(i64),
    /// The time is too far ahead.
    #[error("the webhook is {0} s ahead of this clock, at most {max} are taken", max = super::standard::TOLERANCE_SECONDS)]
    TooNew(i64),
    /// There are more signatures than are looked at.
    #[error("there are more than {max} signatures", max = super::standard::SIGNATURES_MAX)]
    TooManySignatures,
    /// None of the signatures is of a kind that is known here.
    #[error("none of the signatures is of version v1 or v1a")]
    NoKnownVersion,
    /// The signature is not that of the body.
    #[error("no signature is that of this id, time and body by these secrets")]
    NoMatch,
    /// The signature of a hub is not in its form.
    #[error("the header x-hub-signature-256 must be `sha256=` and 64 hexadecimal digits")]
    HubForm,
    /// The signature of a hub is not that of the body.
    #[error("the signature in x-hub-signature-256 is not that of the body by this secret")]
    HubNoMatch,
}
