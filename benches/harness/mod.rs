//! Measuring in rounds: every variant runs in every round, in rotating order and in bursts of a few milliseconds, so
//! that a difference or a ratio compares neighbours in time. Thread CPU time, so that other programs do not count.
#![allow(dead_code)]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

/// Start of the work's chain of numbers.
pub const SEED: u64 = 88_172_645_463_325_252;

/// Three shifts and xors: about two nanoseconds of dependent work, the same in the C loops.
#[inline(always)]
pub fn work(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    black_box(x)
}

/// `n` passes of work, each followed by `f(x, i)`.
#[inline(always)]
pub fn passes(n: u64, mut f: impl FnMut(u64, u64)) {
    let mut x = SEED;
    for i in 0..n {
        x = work(x);
        f(x, i);
    }
    black_box(x);
}

/// Keeps the calling thread on one CPU.
pub fn pin(cpu: usize) {
    // SAFETY: an all-zero cpu_set_t is empty and valid; the size is its own.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}

/// Nanoseconds of CPU time of this thread.
pub fn thread_ns() -> f64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Nanoseconds of a clock.
pub fn clock_ns(id: libc::clockid_t) -> f64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `t` is a valid timespec to write to.
    unsafe { libc::clock_gettime(id, &mut t) };
    t.tv_sec as f64 * 1e9 + t.tv_nsec as f64
}

/// Middle of the values.
pub fn median(values: &[f64]) -> f64 {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    match v.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => v[n / 2],
        n => (v[n / 2 - 1] + v[n / 2]) / 2.0,
    }
}

/// Smallest of the values.
pub fn min(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// One thing to measure: `run(n)` does n events.
pub struct Variant<'a> {
    pub name: &'a str,
    pub before: Box<dyn Fn() + Sync + 'a>,
    pub run: Box<dyn Fn(u64) + Sync + 'a>,
    pub after: Box<dyn Fn() + Sync + 'a>,
}

impl<'a> Variant<'a> {
    pub fn new(name: &'a str, run: impl Fn(u64) + Sync + 'a) -> Variant<'a> {
        Variant {
            name,
            before: Box::new(|| ()),
            run: Box::new(run),
            after: Box::new(|| ()),
        }
    }
    pub fn around(
        mut self,
        before: impl Fn() + Sync + 'a,
        after: impl Fn() + Sync + 'a,
    ) -> Variant<'a> {
        (self.before, self.after) = (Box::new(before), Box::new(after));
        self
    }
}

/// What a bench is called with.
pub struct Options {
    /// Passes per burst.
    pub passes: u64,
    pub rounds: usize,
    pub threads: usize,
    /// Events per pass.
    pub per_pass: u64,
    /// `--once NAME N`: run one variant for an instruction counter, N passes, and print nothing.
    pub once: Option<(String, u64)>,
}

impl Options {
    pub fn from_args(passes: u64, rounds: usize) -> Options {
        let args: Vec<String> = std::env::args().collect();
        let after = |flag: &str, k: usize| {
            args.iter()
                .position(|a| a == flag)
                .and_then(|i| args.get(i + k).cloned())
        };
        let number = |flag: &str, default: u64| {
            after(flag, 1).map_or(default, |v| v.parse().expect("a number"))
        };
        let once = after("--once", 1).map(|name| {
            (
                name,
                after("--once", 2).and_then(|n| n.parse().ok()).unwrap_or(1),
            )
        });
        let rounds = number("--rounds", rounds as u64) as usize;
        Options {
            passes: number("--passes", passes),
            rounds,
            threads: 1,
            per_pass: 1,
            once,
        }
    }
}

/// Nanoseconds per event, all rounds, for each variant.
pub struct Measured<'a> {
    names: Vec<&'a str>,
    ns: Vec<Vec<f64>>,
}

impl Measured<'_> {
    fn index(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| *n == name)
    }
    /// What `name` adds to `base`: the median of the rounds' differences.
    pub fn added(&self, name: &str, base: &str) -> Option<f64> {
        let (a, b) = (self.index(name)?, self.index(base)?);
        Some(median(
            &self.ns[a]
                .iter()
                .zip(&self.ns[b])
                .map(|(x, y)| x - y)
                .collect::<Vec<_>>(),
        ))
    }
    /// What `name` adds to `base` as a share of what `rival` adds: the median of the rounds' shares.
    pub fn share(&self, name: &str, rival: &str, base: &str) -> Option<f64> {
        let (a, r, b) = (self.index(name)?, self.index(rival)?, self.index(base)?);
        let rounds = 0..self.ns[a].len();
        Some(median(
            &rounds
                .map(|i| (self.ns[a][i] - self.ns[b][i]) / (self.ns[r][i] - self.ns[b][i]))
                .collect::<Vec<_>>(),
        ))
    }
}

/// Measures all variants and prints a table; the first is the baseline, `rival` what shares are taken of.
pub fn bench<'a>(
    title: &str,
    o: &Options,
    variants: &'a [Variant<'a>],
    rival: Option<&str>,
) -> Measured<'a> {
    let mut m = Measured {
        names: variants.iter().map(|v| v.name).collect(),
        ns: vec![vec![]; variants.len()],
    };
    if let Some((name, passes)) = &o.once {
        // names are repeated in other tables: the first is meant
        static DONE: AtomicBool = AtomicBool::new(false);
        if let Some(v) = variants.iter().find(|v| v.name == name)
            && !DONE.swap(true, Ordering::Relaxed)
        {
            (v.before)();
            (v.run)(*passes);
            (v.after)();
        }
        return m;
    }
    pin(0);
    for round in 0..o.rounds + 1 {
        for j in 0..variants.len() {
            let i = (j + round) % variants.len();
            let v = &variants[i];
            (v.before)();
            let ns = burst(o, v);
            (v.after)();
            if round > 0 {
                m.ns[i].push(ns); // the first round only warms up
            }
        }
    }
    println!(
        "\n### {title}\n\n{} rounds of {} passes, {} thread(s), thread CPU time, ns per event\n",
        o.rounds, o.passes, o.threads
    );
    let head = rival.map_or(String::new(), |r| format!(" share of {r} |"));
    println!(
        "| variant | median | min | added |{head}\n| --- | ---: | ---: | ---: |{}",
        if rival.is_some() { " ---: |" } else { "" }
    );
    for (i, v) in variants.iter().enumerate() {
        let added = m.added(v.name, variants[0].name).unwrap_or(f64::NAN);
        print!(
            "| {} | {:.2} | {:.2} | {added:+.2} |",
            v.name,
            median(&m.ns[i]),
            min(&m.ns[i])
        );
        match rival {
            Some(r) => println!(
                " {:.3} |",
                m.share(v.name, r, variants[0].name).unwrap_or(f64::NAN)
            ),
            None => println!(),
        }
    }
    m
}

/// Nanoseconds per event of one burst, the mean over the threads.
fn burst(o: &Options, v: &Variant) -> f64 {
    let one = || {
        let start = thread_ns();
        (v.run)(o.passes);
        (thread_ns() - start) / (o.passes * o.per_pass) as f64
    };
    if o.threads == 1 {
        return one();
    }
    let gate = std::sync::Barrier::new(o.threads);
    let times: Vec<f64> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..o.threads)
            .map(|cpu| {
                let (gate, one) = (&gate, &one);
                s.spawn(move || {
                    pin(cpu);
                    gate.wait();
                    one()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("a burst does not panic"))
            .collect()
    });
    times.iter().sum::<f64>() / times.len() as f64
}
