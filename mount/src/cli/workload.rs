//! `utracefs workload`: what the command asks and what the daemon answers.

use super::args::{WorkloadArgs, WorkloadCommand};
use super::control::client;
use super::control::server::Asker;
use super::failure::Failure;
use super::say;
use utracefs_workloads::{Manager, State, Status};

/// Asks the daemon of a mount about its workloads.
///
/// # Errors
/// That no daemon answers, or what it refuses.
pub fn run(args: &WorkloadArgs) -> Result<u8, Failure> {
    let (mount, line) = match &args.command {
        WorkloadCommand::List(a) => (&a.mount, "workload list".to_string()),
        WorkloadCommand::Start(a) => (&a.mount.mount, request("start", &a.name, a.rate, None)?),
        WorkloadCommand::Set(a) => {
            let line = request("set", &a.name, None, None)?;
            (&a.mount.mount, format!("{line} {}", a.setting))
        }
        WorkloadCommand::Stop(a) => (&a.mount.mount, request("stop", &a.name, None, None)?),
        WorkloadCommand::Run(a) => (
            &a.mount.mount,
            request("run", &a.name, a.rate, Some(a.ops))?,
        ),
    };
    let entry = client::find_mount(mount.as_deref())?;
    client::connect(&entry)?.ask(&line, say)?;
    Ok(0)
}

fn request(verb: &str, name: &str, rate: Option<f64>, ops: Option<u64>) -> Result<String, Failure> {
    if name.is_empty()
        || name.len() > 64
        || name.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(Failure::new(format!("`{name}` is no workload's name"))
            .remedy("`utracefs workload list` tells the names"));
    }
    let mut line = format!("workload {verb} {name}");
    if let Some(n) = ops {
        line += &format!(" ops={n}");
    }
    if let Some(hz) = rate {
        line += &format!(" rate={hz}");
    }
    Ok(line)
}

/// The daemon's side: carries out the words after `workload`.
///
/// # Errors
/// Text for the user.
pub fn answer(manager: &Manager, words: &[&str], asker: &mut Asker) -> Result<(), String> {
    let text = |e: utracefs_workloads::Error| e.to_string();
    let (verb, name, options) = match words {
        ["set", name, setting] => {
            let (key, value) = setting
                .split_once('=')
                .ok_or_else(|| format!("`{setting}` is not KEY=VALUE"))?;
            return manager.set(name, key, value).map_err(text);
        }
        ["list"] => {
            manager.list().iter().for_each(|s| asker.say(&describe(s)));
            return Ok(());
        }
        [verb, name, options @ ..] => (*verb, *name, options),
        _ => {
            return Err("list, start NAME, stop NAME, set NAME KEY=VALUE or run NAME ops=N".into());
        }
    };
    let (ops, rate) = parse(options)?;
    match (verb, ops) {
        ("start", None) => manager.start(name, rate).map_err(text),
        ("stop", None) => manager.stop(name).map_err(text),
        ("run", Some(ops)) => {
            let run = manager.begin(name, ops, rate).map_err(text)?;
            // dropped when nobody waits for it any more, which stops it
            asker.wait_for(|time| run.wait_for(time))?.map_err(text)
        }
        _ => Err(format!("what is `{}`?", words.join(" "))),
    }
}

/// `ops=N` and `rate=HZ` in any order.
fn parse(options: &[&str]) -> Result<(Option<u64>, Option<f64>), String> {
    let (mut ops, mut rate) = (None, None);
    for option in options {
        let wrong = || format!("`{option}` is neither ops=N nor rate=HZ");
        match option.split_once('=').ok_or_else(wrong)? {
            ("ops", n) => ops = Some(n.parse().map_err(|_| wrong())?),
            ("rate", hz) => rate = Some(hz.parse().map_err(|_| wrong())?),
            _ => return Err(wrong()),
        }
    }
    Ok((ops, rate))
}

/// A line of `workload list`: name, state, pace, work done so far, what it does.
fn describe(s: &Status) -> String {
    let state = match &s.state {
        State::Stopped => "stopped".to_string(),
        State::Running => format!("running at {}/s", s.rate),
        State::Failed(why) => format!("failed: {why}"),
    };
    let runs = match s.runs {
        0 => String::new(),
        1 => ", 1 run".into(),
        n => format!(", {n} runs"),
    };
    let settings: String = s
        .settings
        .iter()
        .map(|(name, value)| format!(", {name}={value}"))
        .collect();
    format!(
        "{:<10} {:<18} {:>10} done{runs}{settings}  {}",
        s.name, state, s.ops, s.about
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_one_line_of_words() {
        assert_eq!(
            request("run", "sched", Some(2.5), Some(10)).unwrap(),
            "workload run sched ops=10 rate=2.5"
        );
        assert_eq!(
            request("start", "sched", None, None).unwrap(),
            "workload start sched"
        );
        for bad in ["", "a b", "a\nb", &"x".repeat(65)] {
            assert!(request("stop", bad, None, None).is_err(), "{bad:?}");
        }
    }

    fn check(options: &str, expected: Option<(Option<u64>, Option<f64>)>) {
        let words: Vec<&str> = options.split(' ').filter(|w| !w.is_empty()).collect();
        assert_eq!(parse(&words).ok(), expected, "{options}");
    }

    #[test]
    fn options_of_a_request_are_read() {
        check("", Some((None, None)));
        check("ops=10", Some((Some(10), None)));
        check("rate=0.5 ops=0", Some((Some(0), Some(0.5))));
        for wrong in ["ops", "ops=-1", "ops=x", "rate=", "speed=1"] {
            check(wrong, None);
        }
    }
}
