//! Lists of CPUs between the braces of `CPUS{…}`: `0-3,7`, `all`, `N` for the last, `0-15:1/4` for every fourth
//! (Documentation/admin-guide/kernel-parameters.rst, "cpu lists").

use crate::base::cpu::CpuMask;

use super::is_space;

/// The CPUs below `cpus` in a list; `None` if it is not one or names others. Separators are commas and white space.
pub(super) fn parse(list: &[u8], cpus: usize) -> Option<CpuMask> {
    let mut mask = CpuMask::none(cpus);
    for region in list.split(|b| *b == b',' || is_space(*b)) {
        if !region.is_empty() {
            region_into(&mut mask, region, cpus)?;
        }
    }
    Some(mask)
}

fn region_into(mask: &mut CpuMask, region: &[u8], cpus: usize) -> Option<()> {
    let (range, pattern) = match region.iter().position(|b| *b == b':') {
        Some(i) => (&region[..i], Some(&region[i + 1..])),
        None => (region, None),
    };
    let last = cpus.checked_sub(1)?;
    let (first, last, is_range) = match range.iter().position(|b| *b == b'-') {
        _ if range.eq_ignore_ascii_case(b"all") => (0, last, true),
        Some(i) => (
            number(&range[..i], last)?,
            number(&range[i + 1..], last)?,
            true,
        ),
        None => {
            let one = number(range, last)?;
            (one, one, false)
        }
    };
    let (used, group) = match pattern {
        None => (1, 1),
        Some(pattern) if is_range => {
            let slash = pattern.iter().position(|b| *b == b'/')?;
            let (used, group) = (decimal(&pattern[..slash])?, decimal(&pattern[slash + 1..])?);
            (used <= group && group > 0).then_some((used, group))?
        }
        Some(_) => return None,
    };
    if first > last || last >= cpus {
        return None;
    }
    for cpu in first..=last {
        if (cpu - first) % group < used {
            mask.set(cpu, true);
        }
    }
    Some(())
}

/// One end of a range.
fn number(text: &[u8], last: usize) -> Option<usize> {
    if text == b"N" {
        return Some(last);
    }
    decimal(text)
}

/// Decimal digits that come to 32 bits.
fn decimal(text: &[u8]) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    let digit = |n: u32, b: &u8| {
        let digit = b.is_ascii_digit().then(|| u32::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    };
    text.iter()
        .try_fold(0, digit)
        .and_then(|n| usize::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn lists() {
        let check = |list: &str, expected: Option<&[usize]>| {
            let mask = parse(list.as_bytes(), 8);
            let cpus = mask.map(|m| (0..9).filter(|c| m.has(*c)).collect::<Vec<_>>());
            assert_eq!(cpus.as_deref(), expected, "{list:?}");
        };
        check("0", Some(&[0]));
        check("0-3,7", Some(&[0, 1, 2, 3, 7]));
        check(" 0 \n 2,,3, ", Some(&[0, 2, 3]));
        check("", Some(&[]));
        check(",", Some(&[]));
        for all in ["all", "ALL", "All", "0-N", "0-7"] {
            check(all, Some(&[0, 1, 2, 3, 4, 5, 6, 7]));
        }
        check("N", Some(&[7]));
        check("N-N", Some(&[7]));
        check("all:1/4", Some(&[0, 4]));
        check("1-6:2/3", Some(&[1, 2, 4, 5]));
        check("0-3:0/1", Some(&[]));
        check("000000000000000000001", Some(&[1]));
        let bad = [
            "8",
            "0-8",
            "3-1",
            "N-0",
            "0x1",
            "-1",
            "1-",
            "+0",
            "0- 1",
            "0 -1",
            "n",
            "allx",
            "x",
            "0:1/2",
            "0-1:2/1",
            "0-1:1/",
            "0-1:/1",
            "0-1:1",
            "0-1:0/0",
            "4294967296",
            "1-2-3",
            "0-1:999999999999/1",
        ];
        for list in bad {
            check(list, None);
        }
    }
}
