//! The table of error codes. A code is never renamed and never changes its meaning; new ones are added.

use std::fmt;

/// What the caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// The same request may succeed later; wait as `Retry-After` says, else with growing pauses.
    Retry,
    /// The request itself must change; repeating it as it is cannot succeed.
    Fix,
    /// Something is wrong on the server's side; tell whoever runs it.
    Report,
}

impl Advice {
    /// Returns the word used in answers and on the help pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Advice::Retry => "retry",
            Advice::Fix => "fix",
            Advice::Report => "report",
        }
    }
}

/// The exit code of the command line for a class of outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Done.
    Ok = 0,
    /// The server refused, or something failed.
    Failed = 1,
    /// The command or its input was wrong.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// What exists stands against it.
    Conflict = 4,
    /// The server did not answer.
    Unreachable = 5,
    /// The time given was over.
    Timeout = 124,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:literal, $advice:ident, $exit:ident, $title:literal;)+) => {
        /// A stable error code: what `code` says in a problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// Returns the code as it is written on the wire, such as `EVENT_INVALID`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name),+ }
            }

            /// Returns the HTTP status it is sent with.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status),+ }
            }

            /// Returns the title: constant per code, for people.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title),+ }
            }

            /// Returns what the caller should do.
            pub fn advice(self) -> Advice {
                match self { $(Code::$variant => Advice::$advice),+ }
            }

            /// Returns the exit code of the command line for it.
            pub fn exit_code(self) -> ExitCode {
                match self { $(Code::$variant => ExitCode::$exit),+ }
            }

            /// Returns its page of help, in Markdown.
            pub fn page(self) -> &'static str {
                match self {
                    $(Code::$variant => {
                        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors/", $name, ".md"))
                    })+
                }
            }

            /// Returns the code of that name, or none if this version does not know it.
            pub fn parse(name: &str) -> Option<Code> {
                match name { $($name => Some(Code::$variant),)+ _ => None }
            }
        }
    };
}

codes! {
    // Events as they come in.
    /// An event lacks something it needs, or says something it may not.
    EventInvalid = "EVENT_INVALID", 400, Fix, Usage, "The event is not valid";
    /// An attribute of an event has a wrong name, type, form or length.
    AttributeInvalid = "ATTRIBUTE_INVALID", 400, Fix, Usage, "An attribute of the event is not valid";
    /// One event is larger than the limit.
    EventTooLarge = "EVENT_TOO_LARGE", 413, Fix, Usage, "The event is too large";
    /// A batch is not a list of events.
    BatchInvalid = "BATCH_INVALID", 400, Fix, Usage, "The batch is not a list of events";
    /// A batch has too many events or too many bytes.
    BatchTooLarge = "BATCH_TOO_LARGE", 413, Fix, Usage, "The batch is too large";
    /// The body of a request is larger than the limit.
    BodyTooLarge = "BODY_TOO_LARGE", 413, Fix, Usage, "The body is too large";
    /// A body is not JSON, or has members the request does not know.
    JsonInvalid = "JSON_INVALID", 400, Fix, Usage, "The body is not the JSON that is expected here";
    /// JSON is nested deeper than the limit.
    JsonTooDeep = "JSON_TOO_DEEP", 400, Fix, Usage, "The JSON is nested too deep";
    /// The `Content-Type` names a format that is not read here.
    MediaTypeUnsupported = "MEDIA_TYPE_UNSUPPORTED", 415, Fix, Usage, "The media type is not supported";
    /// The `Accept` header allows none of the formats that can be sent.
    NotAcceptable = "NOT_ACCEPTABLE", 406, Fix, Usage, "None of the accepted formats can be sent";
    /// A name is not a legal name of a topic.
    TopicInvalid = "TOPIC_INVALID", 400, Fix, Usage, "The topic name is not legal";
    /// The topic does not exist, and is not created by publishing.
    TopicUnknown = "TOPIC_UNKNOWN", 404, Fix, NotFound, "The topic does not exist";
    /// The caller, the source or the agent may not use the topic in this way.
    TopicNotAllowed = "TOPIC_NOT_ALLOWED", 403, Fix, Failed, "The topic may not be used in this way";
    /// The same source and id were used before, with other content.
    EventIdReused = "EVENT_ID_REUSED", 409, Fix, Conflict, "The event id was used before with other content";
    /// Several sources used this id.
    EventIdAmbiguous = "EVENT_ID_AMBIGUOUS", 409, Fix, Conflict, "Several sources used this event id";
    /// There is no such event.
    EventUnknown = "EVENT_UNKNOWN", 404, Fix, NotFound, "The event does not exist";
    /// The event was erased: nobody may see it any more.
    EventErased = "EVENT_ERASED", 410, Fix, NotFound, "The event was erased";
    /// The event was there, and its topic's retention has taken it.
    EventGone = "EVENT_GONE", 410, Fix, NotFound, "The event is not kept any more";
    /// The event is already past its `expirytime`.
    EventExpired = "EVENT_EXPIRED", 422, Fix, Failed, "The event is already expired";
    /// The chain of causes is longer than `max_hops`.
    LoopDetected = "LOOP_DETECTED", 422, Fix, Failed, "The chain of causes is too long";
    /// The stream is not at the revision that was expected.
    RevisionConflict = "REVISION_CONFLICT", 409, Fix, Conflict, "The stream is at another revision";
    /// The data does not satisfy the schema its topic demands.
    SchemaViolation = "SCHEMA_VIOLATION", 422, Fix, Failed, "The data does not satisfy its schema";
    /// No agent takes this command or query.
    HandlerUnknown = "HANDLER_UNKNOWN", 422, Fix, Failed, "No agent takes this command";
    /// Several agents or subscriptions would take this command or query.
    HandlerAmbiguous = "HANDLER_AMBIGUOUS", 422, Fix, Conflict, "Several agents would take this command";

    // Agents and subscriptions.
    /// There is no agent of that address.
    AgentUnknown = "AGENT_UNKNOWN", 404, Fix, NotFound, "The agent does not exist";
    /// The address or description of an agent is not valid.
    AgentInvalid = "AGENT_INVALID", 400, Fix, Usage, "The agent is not valid";
    /// The agent is declared in the file and cannot be changed over the network.
    AgentDeclared = "AGENT_DECLARED", 409, Fix, Conflict, "The agent is declared in the file";
    /// There is no subscription of that id.
    SubscriptionUnknown = "SUBSCRIPTION_UNKNOWN", 404, Fix, NotFound, "The subscription does not exist";
    /// A subscription says something it may not.
    SubscriptionInvalid = "SUBSCRIPTION_INVALID", 400, Fix, Usage, "The subscription is not valid";
    /// The filter of a subscription is wrong.
    SubscriptionFilterInvalid = "SUBSCRIPTION_FILTER_INVALID", 400, Fix, Usage, "The filter of the subscription is not valid";
    /// A subscription of that id exists with another definition.
    SubscriptionExists = "SUBSCRIPTION_EXISTS", 409, Fix, Conflict, "The subscription exists already";
    /// Only subscriptions with the action `inbox` can be pulled from.
    SubscriptionNotInbox = "SUBSCRIPTION_NOT_INBOX", 409, Fix, Conflict, "The subscription has no inbox";
    /// The subscription is declared in the file and cannot be changed over the network.
    SubscriptionDeclared = "SUBSCRIPTION_DECLARED", 409, Fix, Conflict, "The subscription is declared in the file";

    /// A set of definitions can not be read.
    DefinitionsInvalid = "DEFINITIONS_INVALID", 400, Fix, Usage, "The definitions are not valid";
    /// Other definitions are in force than those that were looked at.
    DefinitionsChanged = "DEFINITIONS_CHANGED", 409, Fix, Conflict, "Other definitions are in force by now";

    // Deliveries and dead letters.
    /// There is no delivery of that id.
    DeliveryUnknown = "DELIVERY_UNKNOWN", 404, Fix, NotFound, "The delivery does not exist";
    /// The delivery is already delivered, dead or expired.
    DeliverySettled = "DELIVERY_SETTLED", 409, Fix, Conflict, "The delivery is already settled";
    /// The token is not that of the lease in force.
    LeaseLost = "LEASE_LOST", 409, Fix, Conflict, "The lease is over";
    /// There is no dead letter of that id.
    DeadLetterUnknown = "DEAD_LETTER_UNKNOWN", 404, Fix, NotFound, "The dead letter does not exist";
    /// The dead letter is not in a state that allows this.
    DeadLetterState = "DEAD_LETTER_STATE", 409, Fix, Conflict, "The dead letter is in another state";

    /// A bulk operation's selector says nothing, so everything would be meant.
    BulkSelectorEmpty = "BULK_SELECTOR_EMPTY", 400, Fix, Usage, "The selector of the bulk operation is empty";
    /// Other items are meant than those that were shown.
    BulkChanged = "BULK_CHANGED", 409, Fix, Conflict, "Other items are meant than those that were shown";
    /// There is no bulk operation of that id.
    BulkUnknown = "BULK_UNKNOWN", 404, Fix, NotFound, "The bulk operation does not exist";
    /// The bulk operation is over.
    BulkOver = "BULK_OVER", 409, Fix, Conflict, "The bulk operation is over";

    // What requests say.
    /// There is no story of that correlation id.
    CorrelationUnknown = "CORRELATION_UNKNOWN", 404, Fix, NotFound, "The correlation does not exist";
    /// There is no stream of that name.
    StreamUnknown = "STREAM_UNKNOWN", 404, Fix, NotFound, "The stream does not exist";
    /// A cursor is not one this server gave out.
    CursorInvalid = "CURSOR_INVALID", 400, Fix, Usage, "The cursor is not valid";
    /// A filter is wrong.
    FilterInvalid = "FILTER_INVALID", 400, Fix, Usage, "The filter is not valid";
    /// A parameter of the URL or a member of the body has a wrong value.
    ParameterInvalid = "PARAMETER_INVALID", 400, Fix, Usage, "A parameter is not valid";
    /// The `Idempotency-Key` cannot be read.
    IdempotencyKeyInvalid = "IDEMPOTENCY_KEY_INVALID", 400, Fix, Usage, "The idempotency key is not valid";
    /// The `Idempotency-Key` was used before for another request.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", 422, Fix, Conflict, "The idempotency key was used for another request";
    /// The first request with this `Idempotency-Key` is still being worked on.
    IdempotencyInProgress = "IDEMPOTENCY_IN_PROGRESS", 409, Retry, Conflict, "The first request with this idempotency key is still running";

    // Who may.
    /// No token, or one that is not known.
    Unauthenticated = "UNAUTHENTICATED", 401, Fix, Failed, "A token is needed";
    /// The token does not have the right this needs.
    Forbidden = "FORBIDDEN", 403, Fix, Failed, "The token does not allow this";
    /// The `Host` is not on the allow-list.
    HostNotAllowed = "HOST_NOT_ALLOWED", 421, Fix, Failed, "The host name is not allowed";
    /// The `Origin` is not on the allow-list.
    OriginNotAllowed = "ORIGIN_NOT_ALLOWED", 403, Fix, Failed, "The origin is not allowed";
    /// Exec actions come from the file, not from the network.
    ExecNotAllowed = "EXEC_NOT_ALLOWED", 403, Fix, Failed, "Exec actions are not accepted over the network";
    /// The signature of an incoming webhook is missing or wrong.
    SignatureInvalid = "SIGNATURE_INVALID", 401, Fix, Failed, "The signature is not valid";
    /// There is no incoming webhook of that name.
    HookUnknown = "HOOK_UNKNOWN", 404, Fix, NotFound, "The hook does not exist";

    // HTTP itself.
    /// There is nothing at this path.
    RouteUnknown = "ROUTE_UNKNOWN", 404, Fix, NotFound, "There is nothing at this path";
    /// The path does not take this method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405, Fix, Usage, "The path does not take this method";
    /// The request was not complete in time.
    RequestTimeout = "REQUEST_TIMEOUT", 408, Retry, Timeout, "The request was not complete in time";
    /// The headers are larger than the limit.
    HeadersTooLarge = "HEADERS_TOO_LARGE", 431, Fix, Usage, "The headers are too large";
    /// The request is not HTTP as it should be.
    RequestInvalid = "REQUEST_INVALID", 400, Fix, Usage, "The request is not valid";

    // The server's own state.
    /// The caller sends more than its quota.
    RateLimited = "RATE_LIMITED", 429, Retry, Failed, "The rate limit is reached";
    /// The server has as much work queued as it may have.
    Overloaded = "OVERLOADED", 429, Retry, Failed, "The server is overloaded";
    /// The disk is full.
    StorageFull = "STORAGE_FULL", 507, Report, Failed, "The storage is full";
    /// The storage does not do what it must.
    StorageFailed = "STORAGE_FAILED", 503, Report, Failed, "The storage failed";
    /// The server is about to stop.
    ShuttingDown = "SHUTTING_DOWN", 503, Retry, Unreachable, "The server is shutting down";
    /// A fault of the server.
    Internal = "INTERNAL", 500, Report, Failed, "The server made a mistake";
    /// Part of the design, not of this version.
    NotAvailableYet = "NOT_AVAILABLE_YET", 501, Fix, Failed, "This is not available yet";
}

impl Code {
    /// Returns the last part of the problem's `type`, such as `event-invalid`.
    pub fn slug(self) -> String {
        self.as_str().to_ascii_lowercase().replace('_', "-")
    }

    /// Returns the code a slug belongs to.
    pub fn from_slug(slug: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.slug() == slug)
    }

    /// Returns the problem's `type`: a page this server has, or the registered one where a standard names it.
    pub fn type_uri(self) -> String {
        match self {
            Code::RateLimited => "https://iana.org/assignments/http-problem-types#quota-exceeded".to_owned(),
            _ => format!("/problems/{}", self.slug()),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
