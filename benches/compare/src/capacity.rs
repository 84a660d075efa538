//! Capacity planning: the tables of `docs/capacity.md`, based on figures that `growth` measures.

use std::fmt::Write as _;

use crate::simulation::{Random, come_back, fullest, slots};

/// The inputs of the calculation. Each can be given as `name=number`.
struct Inputs(Vec<Input>);

struct Input {
    name: &'static str,
    value: f64,
    what: &'static str,
}

/// Name, value and description: first the measured inputs, then the assumed ones.
const INPUTS: [(&str, f64, &str); 20] = [
    ("session-bytes", 621.0, "Redis, for a session with 200 bytes of entries: record, key, expiry, tables"),
    ("index-bytes", 145.0, "Redis, for the index of a user with one session"),
    ("read-commands", 1.0, "commands of a read"),
    ("write-commands", 2.0, "commands of a write"),
    ("login-commands", 7.0, "commands of a sign-in: GET, SET, and for the index a script with four in it"),
    ("read-micros", 11.0, "processor time of Redis for a read, network included and one request at a time, µs"),
    ("write-micros", 27.0, "the same for a write"),
    ("login-micros", 32.0, "the same for a sign-in"),
    ("greeting-micros", 26.0, "the same for a new connection"),
    ("signed-in", 0.3, "share of the sessions that are signed in"),
    ("requests-a-day", 5.0, "requests that ask for the session, for each stored session, on an average day"),
    ("peak", 3.0, "the busiest minute next to the average one"),
    ("reads", 0.9, "share of these requests that only read"),
    ("logins", 0.01, "share that signs in; the rest writes"),
    ("fragmentation", 1.25, "memory of the process next to that of its data, and room for growth"),
    ("shard-gib", 12.0, "the most that one shard may hold, GiB"),
    ("utilization", 0.5, "the most of its one core that a shard may need at the peak"),
    ("copies", 2.0, "a primary and its replicas"),
    ("price", 10.0, "of a GiB of Redis for a month; any currency"),
    ("processes", 1000.0, "service processes, for the simulated failover"),
];

impl Inputs {
    fn new(given: &[&str]) -> Result<Self, String> {
        let mut inputs = Self(INPUTS.map(|(name, value, what)| Input { name, value, what }).into());
        for text in given {
            let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=NUMBER"))?;
            let number = value.parse::<f64>().ok().filter(|number| *number >= 0.0);
            let number = number.ok_or_else(|| format!("{value:?} in {text:?} is not a number from 0 on"))?;
            let known: Vec<&str> = inputs.0.iter().map(|input| input.name).collect();
            let unknown = format!("no input is named {name:?}; there are {}", known.join(", "));
            inputs.0.iter_mut().find(|input| input.name == name).ok_or(unknown)?.value = number;
        }
        Ok(inputs)
    }

    fn of(&self, name: &str) -> f64 {
        self.0.iter().find(|input| input.name == name).map_or(f64::NAN, |input| input.value)
    }
}

/// The default of an input.
#[cfg(test)]
pub fn default_of(name: &str) -> f64 {
    Inputs::new(&[]).map_or(f64::NAN, |inputs| inputs.of(name))
}

const GIB: f64 = (1_u64 << 30) as f64;

/// The resources for a number of sessions.
#[derive(Debug, PartialEq)]
struct Need {
    data_gib: f64,
    requests: f64,
    commands: f64,
    /// Cores of Redis at the peak.
    cores: f64,
    shards_for_memory: f64,
    shards_for_cores: f64,
    /// For all copies, with fragmentation.
    paid_gib: f64,
}

impl Need {
    fn of(sessions: f64, inputs: &Inputs) -> Self {
        let of = |name: &str| inputs.of(name);
        let bytes = of("session-bytes") + of("signed-in") * of("index-bytes");
        let data_gib = sessions * bytes / GIB;
        let requests = sessions * of("requests-a-day") / 86_400.0 * of("peak");
        let mix = |unit: &str| {
            let each = |kind: &str| of(&format!("{kind}-{unit}"));
            let writes = 1.0 - of("reads") - of("logins");
            of("reads") * each("read") + writes * each("write") + of("logins") * each("login")
        };
        let cores = requests * mix("micros") / 1e6;
        let held = data_gib * of("fragmentation");
        Self {
            data_gib,
            requests,
            commands: requests * mix("commands"),
            cores,
            shards_for_memory: (held / of("shard-gib")).ceil().max(1.0),
            shards_for_cores: (cores / of("utilization")).ceil().max(1.0),
            paid_gib: held * of("copies"),
        }
    }

    fn shards(&self) -> f64 {
        self.shards_for_memory.max(self.shards_for_cores)
    }
}

const SIZES: [(&str, u64); 3] = [("1 M", 1_000_000), ("100 M", 100_000_000), ("1 B", 1_000_000_000)];

/// The tables of the page.
///
/// # Errors
/// If an input is unknown or not a number.
pub fn text(given: &[&str]) -> Result<String, String> {
    let inputs = Inputs::new(given)?;
    let mut text = "| input | value | what |\n|---|---|---|\n".to_owned();
    for Input { name, value, what } in &inputs.0 {
        _ = writeln!(text, "| `{name}` | {value} | {what} |");
    }
    text += "\n| | 1 M | 100 M | 1 B |\n|---|---|---|---|\n";
    let needs = SIZES.map(|(_, sessions)| Need::of(sessions as f64, &inputs));
    let mut row = |name: &str, of: &dyn Fn(&Need) -> String| {
        _ = writeln!(text, "| {name} | {} |", needs.each_ref().map(of).join(" | "));
    };
    row("data, GiB", &|need| figure(need.data_gib));
    row("requests a second that ask for the session, at the peak", &|need| figure(need.requests));
    row("commands a second", &|need| figure(need.commands));
    row("cores of Redis", &|need| format!("{:.2}", need.cores));
    row("shards, for memory · for cores", &|need| format!("{} · {}", need.shards_for_memory, need.shards_for_cores));
    row("GiB to pay for, copies included", &|need| figure(need.paid_gib));
    row("money for a month", &|need| figure(need.paid_gib * inputs.of("price")));
    text += &simulated(&inputs, &needs);
    Ok(text)
}

/// Simulates properties that cannot be measured on one machine.
fn simulated(inputs: &Inputs, needs: &[Need; 3]) -> String {
    let mut random = Random::new(42);
    let mut text = "\n| simulated | shards | the fullest shard, to the mean | the fullest slot, sessions |\n\
                    |---|---|---|---|\n"
        .to_owned();
    for ((name, sessions), need) in SIZES.into_iter().zip(needs) {
        let slots = slots(sessions, &mut random);
        let shards = need.shards() as usize;
        let slot = slots.iter().max().copied().unwrap_or_default();
        _ = writeln!(text, "| {name} sessions | {shards} | {:.4} | {slot} |", fullest(&slots, shards));
    }
    // Our services have one connection for reads and one for writes to each primary, and with a near cache a third.
    let connections = (inputs.of("processes") * 2.0) as u64;
    let greetings = 1000.0 / inputs.of("greeting-micros");
    text += "\n| simulated failover of one primary | most new connections in 1 ms | all are back after, ms | most refused \
             in 1 ms meanwhile |\n|---|---|---|---|\n";
    const OUTAGE: f64 = 1500.0;
    for (name, pause) in [("nothing answers for 1.5 s", 100.0), ("the port refuses for 1.5 s", 1.0)] {
        let back = come_back(connections, pause, OUTAGE, greetings, &mut random);
        _ = writeln!(text, "| {name} | {} | {:.0} | {} |", back.most, back.all, back.refused);
    }
    text
}

/// Formats a figure with three digits.
fn figure(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let mut text = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic_is_that_of_the_page() {
        let inputs = Inputs::new(&[
            "session-bytes=900",
            "signed-in=0.5",
            "index-bytes=248",
            "requests-a-day=86.4",
            "peak=2",
            "reads=0.8",
            "logins=0.1",
            "read-commands=1",
            "write-commands=2",
            "login-commands=3",
            "read-micros=10",
            "write-micros=20",
            "login-micros=30",
            "fragmentation=2",
            "shard-gib=1",
            "utilization=0.25",
            "copies=2",
        ])
        .unwrap();
        let need = Need::of(1_048_576.0, &inputs);
        // 1,048,576 × (900 + 0.5 × 248) bytes = 1 GiB.
        assert_eq!((need.data_gib, need.paid_gib, need.shards_for_memory), (1.0, 4.0, 2.0));
        // 1,048,576 × 86.4 ÷ 86,400 × 2 = 2097.152, each of 0.8 × 1 + 0.1 × 2 + 0.1 × 3 commands and 13 µs.
        assert!((need.requests - 2097.152).abs() < 1e-6);
        assert!((need.commands - 2097.152 * 1.3).abs() < 1e-6);
        assert!((need.cores - 2097.152 * 13e-6).abs() < 1e-9);
        assert_eq!((need.shards_for_cores, need.shards()), (1.0, 2.0));
    }

    #[test]
    fn an_input_that_is_unknown_or_no_number_is_refused() {
        assert!(Inputs::new(&["prize=3"]).err().unwrap().contains("there are session-bytes"));
        assert!(Inputs::new(&["price=free"]).err().unwrap().contains("not a number"));
        assert!(Inputs::new(&["price"]).err().unwrap().contains("NAME=NUMBER"));
        assert!(Inputs::new(&["price=-1"]).is_err());
    }

    #[test]
    fn figures_have_the_digits_that_mean_something() {
        let figures = [0.512, 51.23, 512.3, 5_123.0, 1_234_567.0].map(figure);
        assert_eq!(figures, ["0.51", "51.2", "512", "5,123", "1,234,567"]);
    }

    #[test]
    fn the_page_repeats() {
        assert_eq!(text(&[]).unwrap(), text(&[]).unwrap());
    }
}
