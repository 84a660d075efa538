//! The subjects of attempts: accounts, addresses, devices.

use std::net::{IpAddr, Ipv6Addr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    known_device::{KnownDevice, folded},
    policy::Policy,
};
use crate::keys::SecretKeys;

/// The subject of an attempt: an account, an address, a device. Each kind of attempt has a `purpose` (`"sign-in"`), and
/// attempts of different purposes are counted separately.
///
/// The store holds a keyed hash of it, so a reader of the store learns no name and no address.
#[derive(Clone, Debug)]
pub struct Subject {
    name: String,
    policy: Policy,
    success: Success,
    client_address: Option<IpAddr>,
}

/// The effect of a success on the counted attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Success {
    /// All are forgotten: only the owner succeeds.
    Forget,
    /// The successful attempt no longer counts. The others stay: an attacker has an account, too.
    GiveBack,
    /// A success counts like any other attempt.
    Count,
}

impl Subject {
    /// The account that is `named`, whether or not it exists, so that the response does not reveal it. Case, surrounding
    /// space and look-alikes such as full-width letters (NFKC) are ignored. Default policy: [`Policy::ACCOUNT`]. A success forgets the failures.
    #[must_use]
    pub fn account(purpose: &str, named: &str) -> Self {
        Self::of(purpose, "account", &folded(named), Policy::ACCOUNT, Success::Forget)
    }

    /// The network of a client: its address, or with IPv6 the `/64` of one customer. Default policy:
    /// [`Policy::ADDRESS`]. A success does not count, and forgets no failure.
    #[must_use]
    pub fn address(purpose: &str, address: IpAddr) -> Self {
        let subject = Self::of(purpose, "address", &network(address).to_string(), Policy::ADDRESS, Success::GiveBack);
        subject.with_client_address(Some(address))
    }

    /// A device that has signed in to the account before: see
    /// [`Throttle::known_device`](super::Throttle::known_device). Default policy: [`Policy::ACCOUNT`]. A success
    /// forgets the failures.
    #[must_use]
    pub fn device(purpose: &str, device: &KnownDevice) -> Self {
        Self::of(purpose, "device", device.id(), Policy::ACCOUNT, Success::Forget)
    }

    /// Any other subject, by a name that you choose, such as a session's handle. Default policy: [`Policy::ACCOUNT`]. A
    /// success forgets the failures.
    #[must_use]
    pub fn named(purpose: &str, name: &str) -> Self {
        Self::of(purpose, "named", name, Policy::ACCOUNT, Success::Forget)
    }

    fn of(purpose: &str, kind: &str, value: &str, policy: Policy, success: Success) -> Self {
        Self { name: format!("{purpose}\0{kind}\0{value}"), policy, success, client_address: None }
    }

    /// Sets how many attempts are free, and how long further ones wait. Default: that of the subject's kind.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Counts successes like failures: for operations that are suspicious when frequent, such as registering. Default:
    /// they do not count.
    #[must_use]
    pub fn counting_successes(self) -> Self {
        Self { success: Success::Count, ..self }
    }

    /// Sets the client's address, for the [audit](crate::audit) alone: it does not affect the count. Default: the
    /// address itself for [`address`](Self::address), else unknown.
    #[must_use]
    pub fn with_client_address(self, address: Option<IpAddr>) -> Self {
        Self { client_address: address, ..self }
    }

    pub(super) fn client_address(&self) -> Option<IpAddr> {
        self.client_address
    }

    pub(super) fn policy(&self) -> Policy {
        self.policy
    }

    pub(super) fn on_success(&self) -> Success {
        self.success
    }

    pub(super) fn key(&self, keys: &SecretKeys, prefix: &str) -> String {
        let hash = keys.sign("shared-session throttle", self.name.as_bytes());
        // The dot keeps the key distinct from any session's handle.
        [prefix, &URL_SAFE_NO_PAD.encode(&hash[..9]), ".", &URL_SAFE_NO_PAD.encode(&hash[9..18])].concat()
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(subject: &Subject) -> String {
        subject.key(&SecretKeys::new([7; 32]).unwrap(), "p:")
    }

    #[test]
    fn keys_tell_nothing_and_differ_by_purpose_and_kind() {
        let ann = key(&Subject::account("sign-in", "ann"));
        assert_eq!(ann.len(), 2 + 25);
        assert_eq!(crate::record::id::Handle::parse(&ann[ann.len() - crate::record::id::Handle::LEN..]), None);
        assert!(ann.starts_with("p:") && !ann.contains("ann"), "{ann}");
        assert_eq!(ann, key(&Subject::account("sign-in", " Ann\n")));
        for other in
            [Subject::account("sign-in", "anne"), Subject::account("register", "ann"), Subject::named("sign-in", "ann")]
        {
            assert_ne!(ann, key(&other));
        }
        let under_another_key = Subject::account("sign-in", "ann").key(&SecretKeys::new([8; 32]).unwrap(), "p:");
        assert_ne!(ann, under_another_key);
    }

    #[test]
    fn an_address_is_counted_by_the_network_of_its_customer() {
        let of = |address: &str| key(&Subject::address("sign-in", address.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn case_is_ignored_letter_by_letter_as_in_databases() {
        for [one, other] in [
            ["\u{391}\u{3a3}", "\u{3b1}\u{3c3}"],
            ["a\u{3a3}\u{338f}", "a\u{3c2}kg"],
            // PostgreSQL's lower() gives an i without the dot, or with it: the locale decides.
            ["\u{130}van", "ivan"],
            ["\u{130}van", "i\u{307}van"],
        ] {
            assert_eq!(key(&Subject::account("p", one)), key(&Subject::account("p", other)), "{one}");
        }
    }
}
