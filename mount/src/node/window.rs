//! Text that is made while it is read: the part of it that a reader has not passed yet.

use utracefs::base::error::Result;

use super::handle::Give;
use super::text::Text;

/// Bytes that were passed and are kept before they are cleared away.
const KEEP: usize = 64 << 10;
/// Bytes asked for at once, at most.
const MOST: usize = 1 << 20;

/// A reader's place in a text that comes piece by piece. A read goes on where the last one ended; one elsewhere starts the
/// text anew and passes over what is before it, as the kernel's sequence files do.
#[derive(Default)]
pub(super) struct Window {
    /// Offset of the first byte kept.
    at: u64,
    text: Text,
}

/// What makes the text.
pub(super) trait Source {
    /// Begins again at the text's start.
    fn restart(&mut self) -> Result<()>;
    /// Adds more text, about `want` bytes or as much as is convenient. None added: the end, for now.
    fn more(&mut self, want: usize, text: &mut Text) -> Result<()>;
}

impl Window {
    pub(super) fn read(
        &mut self,
        at: u64,
        size: usize,
        source: &mut impl Source,
        give: Give<'_>,
    ) -> Result<()> {
        let end = self.at + self.text.len() as u64;
        if at == 0 || at < self.at || at > end {
            source.restart()?;
            self.at = 0;
            self.text.clear();
        }
        loop {
            let passed = (at - self.at).min(self.text.len() as u64) as usize;
            if passed == self.text.len() || passed >= KEEP {
                self.text.drop_front(passed);
                self.at += passed as u64;
            }
            let ahead = usize::try_from(at - self.at).unwrap_or(usize::MAX);
            let wanted = ahead.saturating_add(size).saturating_sub(self.text.len());
            if wanted == 0 || !self.grow(wanted, source)? {
                let rest = self.text.as_bytes().get(ahead..).unwrap_or(&[]);
                give(&rest[..rest.len().min(size)]);
                return Ok(());
            }
        }
    }

    /// Whether there is more text now.
    fn grow(&mut self, want: usize, source: &mut impl Source) -> Result<bool> {
        let before = self.text.len();
        source.more(want.min(MOST), &mut self.text)?;
        Ok(self.text.len() > before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines `0`, `1`, … up to `end`.
    struct Lines {
        next: usize,
        end: usize,
        restarts: usize,
    }

    impl Source for Lines {
        fn restart(&mut self) -> Result<()> {
            (self.next, self.restarts) = (0, self.restarts + 1);
            Ok(())
        }
        fn more(&mut self, _: usize, text: &mut Text) -> Result<()> {
            if self.next < self.end {
                text.line(self.next);
                self.next += 1;
            }
            Ok(())
        }
    }

    fn read(w: &mut Window, l: &mut Lines, at: u64, size: usize) -> String {
        let mut got = None;
        w.read(at, size, l, &mut |b| {
            assert!(got.replace(b.to_vec()).is_none())
        })
        .unwrap();
        String::from_utf8(got.expect("given once")).unwrap()
    }

    #[test]
    fn reads_at_any_place() {
        let whole: String = (0..500).map(|i| format!("{i}\n")).collect();
        for size in [1, 2, 3, 7, 100, 4096] {
            let (mut w, mut l) = (
                Window::default(),
                Lines {
                    next: 0,
                    end: 500,
                    restarts: 0,
                },
            );
            let mut all = String::new();
            loop {
                let piece = read(&mut w, &mut l, all.len() as u64, size);
                if piece.is_empty() {
                    break;
                }
                assert!(piece.len() <= size);
                all += &piece;
            }
            assert_eq!((all, l.restarts), (whole.clone(), 1), "size {size}");
        }
        let (mut w, mut l) = (
            Window::default(),
            Lines {
                next: 0,
                end: 500,
                restarts: 0,
            },
        );
        let mut x = 7u64;
        for _ in 0..300 {
            x = x
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let (at, size) = ((x >> 33) % 2000, (x >> 20) as usize % 50 + 1);
            let expected =
                &whole[whole.len().min(at as usize)..whole.len().min(at as usize + size)];
            assert_eq!(read(&mut w, &mut l, at, size), expected, "{size} at {at}");
        }
    }

    #[test]
    fn goes_on_after_the_end() {
        let (mut w, mut l) = (
            Window::default(),
            Lines {
                next: 0,
                end: 2,
                restarts: 0,
            },
        );
        assert_eq!(read(&mut w, &mut l, 0, 100), "0\n1\n");
        assert_eq!(read(&mut w, &mut l, 4, 100), "");
        l.end = 3;
        assert_eq!(read(&mut w, &mut l, 4, 100), "2\n");
        assert_eq!(
            (read(&mut w, &mut l, 0, 2), l.restarts),
            ("0\n".to_string(), 2)
        );
    }
}
