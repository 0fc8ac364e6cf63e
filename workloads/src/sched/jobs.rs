//! What the jobs do. Each checks its own result and exits with 0 only if it is right.

use crate::machine::{
    compute, exec, fork, pipe, set_prio, sleep, sleep_on_io, thread, wait_any, wait_pid,
};
use crate::rng::Rng;

/// Jobs of the same number are the same on every run.
const SEED: u64 = 0x5eed_5c4e_d000_0000;

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;

/// Kinds of jobs, as `run` takes turns with them.
#[cfg(test)]
pub(super) const KINDS: u64 = 4;

/// Operation `op`.
pub(super) async fn run(op: u64) -> i32 {
    let rng = Rng::of(SEED, op);
    let done = match op % 4 {
        0 => make(rng).await,
        1 => pipeline(rng).await,
        2 => server(rng).await,
        _ => player(rng).await,
    };
    i32::from(done != Some(true))
}

/// Three compilers at once, then the linker: what fork, exec and wait look like.
async fn make(mut rng: Rng) -> Option<bool> {
    exec("/usr/bin/make");
    let mut good = true;
    let (objects, mut linked) = pipe(3);
    for _ in 0..3 {
        let (seed, steps) = (rng.next(), rng.within(100_000..600_000));
        let (read, write) = (rng.within(50 * US..400 * US), rng.within(50 * US..200 * US));
        let objects = objects.clone();
        let compiler = async move {
            exec("/usr/libexec/cc1");
            sleep_on_io(read).await;
            let object = compute(seed, steps).await;
            sleep_on_io(write).await;
            i32::from(objects.send((seed, steps, object)).await.is_err())
        };
        fork(compiler).await?;
    }
    drop(objects);
    for _ in 0..3 {
        good &= wait_any().await.is_some_and(|(_, status)| status == 0);
    }
    let linker = async move {
        exec("/usr/bin/ld");
        let mut objects = 0;
        while let Some((seed, steps, object)) = linked.recv().await {
            let again = compute(seed, steps).await;
            objects += i32::from(again == object);
        }
        sleep_on_io(100 * US).await;
        i32::from(objects != 3)
    };
    let linker = fork(linker).await?;
    good &= wait_pid(linker).await? == 0;
    Some(good)
}

/// `cat | grep | sort` over blocks of numbers: tasks that wake each other.
async fn pipeline(mut rng: Rng) -> Option<bool> {
    exec("/bin/sh");
    let blocks: Vec<Vec<u64>> = (0..rng.within(4..9))
        .map(|_| (0..256).map(|_| rng.next()).collect())
        .collect();
    let wanted = blocks
        .iter()
        .flatten()
        .filter(|number| **number % 2 == 0)
        .count();
    let disk = rng.within(50 * US..300 * US);
    let (out, mut lines) = pipe(2);
    let (matches, mut matching) = pipe(2);
    let cat = async move {
        exec("/usr/bin/cat");
        // Less urgent than those it feeds: what it sends is looked at at once.
        set_prio(125);
        for block in blocks {
            sleep_on_io(disk).await;
            if out.send(block).await.is_err() {
                return 1;
            }
        }
        0
    };
    let grep = async move {
        exec("/usr/bin/grep");
        while let Some(block) = lines.recv().await {
            compute(block[0], 20_000).await;
            let even: Vec<u64> = block.into_iter().filter(|number| number % 2 == 0).collect();
            if matches.send(even).await.is_err() {
                return 1;
            }
        }
        0
    };
    let sort = async move {
        exec("/usr/bin/sort");
        let mut all = Vec::new();
        while let Some(block) = matching.recv().await {
            all.extend(block);
        }
        all.sort_unstable();
        compute(all.len() as u64, 40_000).await;
        i32::from(all.len() != wanted || !all.is_sorted())
    };
    // Forked one after the other, each with its own ends only, as a shell does it.
    let children = [fork(cat).await?, fork(grep).await?, fork(sort).await?];
    let mut good = true;
    for child in children {
        good &= wait_pid(child).await? == 0;
    }
    Some(good)
}

/// One process, two worker threads, requests and replies.
async fn server(mut rng: Rng) -> Option<bool> {
    exec("/usr/sbin/httpd");
    let requests: Vec<(u64, u64)> = (0..6)
        .map(|_| (rng.next(), rng.within(20_000..120_000)))
        .collect();
    let gap = rng.within(100 * US..800 * US);
    let (replies, mut answered) = pipe(2);
    let mut workers = Vec::new();
    for _ in 0..2 {
        let (work, mut todo) = pipe::<(usize, u64, u64)>(1);
        let replies = replies.clone();
        let worker = async move {
            while let Some((number, seed, steps)) = todo.recv().await {
                let answer = compute(seed, steps).await;
                if replies.send((number, answer)).await.is_err() {
                    return 1;
                }
            }
            0
        };
        thread(worker).await?;
        workers.push(work);
    }
    drop(replies);
    // The workers, which it has made before, are more urgent than the one that hands out the work.
    set_prio(125);
    let mut answers = 0;
    for (number, (seed, steps)) in requests.iter().enumerate() {
        sleep(gap).await;
        workers[number % 2]
            .send((number, *seed, *steps))
            .await
            .ok()?;
        if number % 2 == 1 {
            for _ in 0..2 {
                answered.recv().await?;
                answers += 1;
            }
        }
    }
    drop(workers);
    // The last writer's end closes with its thread.
    while answered.recv().await.is_some() {
        answers += 1;
    }
    Some(answers == requests.len())
}

/// A real-time task with short periods beside two batch jobs.
async fn player(mut rng: Rng) -> Option<bool> {
    exec("/usr/bin/mpv");
    let mut batch = Vec::new();
    for _ in 0..2 {
        let (seed, steps) = (rng.next(), rng.within(400_000..900_000));
        let job = async move {
            exec("/usr/bin/gzip");
            set_prio(130);
            compute(seed, steps).await;
            0
        };
        batch.push(fork(job).await?);
    }
    set_prio(60);
    let period = rng.within(300 * US..MS);
    for _ in 0..5 {
        sleep(period).await;
        compute(rng.next(), 10_000).await;
    }
    let mut good = true;
    for job in batch {
        good &= wait_pid(job).await? == 0;
    }
    Some(good)
}
