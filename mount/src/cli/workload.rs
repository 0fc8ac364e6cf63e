//! `utracefs workload`: the client's side.

use super::args::{WorkloadArgs, WorkloadCommand};
use super::control::client;
use super::failure::Failure;

/// Asks the daemon of a mount about its workloads.
///
/// # Errors
/// That no daemon answers, or what it refuses.
pub fn run(args: &WorkloadArgs) -> Result<u8, Failure> {
    let (mount, line) = match &args.command {
        WorkloadCommand::List(a) => (&a.mount, "workload list".to_string()),
        WorkloadCommand::Start(a) => (&a.mount.mount, request("start", &a.name, a.rate, None)?),
        WorkloadCommand::Stop(a) => (&a.mount.mount, request("stop", &a.name, None, None)?),
        WorkloadCommand::Run(a) => (
            &a.mount.mount,
            request("run", &a.name, a.rate, Some(a.ops))?,
        ),
    };
    let entry = client::find_mount(mount.as_deref())?;
    client::connect(&entry)?.ask(&line, |text| println!("{text}"))?;
    Ok(0)
}

fn request(verb: &str, name: &str, rate: Option<u64>, ops: Option<u64>) -> Result<String, Failure> {
    if name.is_empty()
        || name.len() > 64
        || name.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(Failure::new(format!("`{name}` is no workload's name"))
            .remedy("`utracefs workload list` tells the names"));
    }
    let mut line = format!("workload {verb} {name}");
    for (key, value) in [("ops", ops), ("rate", rate)] {
        if let Some(v) = value {
            line += &format!(" {key}={v}");
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_one_line_of_words() {
        assert_eq!(
            request("run", "sched", Some(5), Some(10)).unwrap(),
            "workload run sched ops=10 rate=5"
        );
        assert_eq!(
            request("start", "sched", None, None).unwrap(),
            "workload start sched"
        );
        for bad in ["", "a b", "a\nb", &"x".repeat(65)] {
            assert!(request("stop", bad, None, None).is_err(), "{bad:?}");
        }
    }
}
