use super::*;
use alloc::format;
use alloc::string::String;

fn text(f: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::from(*b"<");
    f(&mut out);
    String::from_utf8(out).unwrap()[1..].into()
}

#[test]
fn numbers() {
    let mut values: Vec<u64> = (0..64).flat_map(|s| [u64::MAX >> s, 1 << s]).collect();
    let mut power = 1u64;
    for _ in 0..20 {
        values.extend([power.wrapping_sub(1), power, power.wrapping_add(1)]);
        power = power.wrapping_mul(10);
    }
    values.extend((0..2000).map(|i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (i % 64)));
    for v in values {
        assert_eq!(text(|o| dec(o, v)), format!("{v}"));
        assert_eq!(text(|o| dec_signed(o, v as i64)), format!("{}", v as i64));
        assert_eq!(text(|o| hex(o, v)), format!("{v:x}"));
        assert_eq!(text(|o| hex_zero(o, v, 7)), format!("{v:07x}"));
        assert_eq!(digits(v, &mut [0; DEC_MAX]), format!("{v}").as_bytes());
    }
}

#[test]
fn padding() {
    let check = |got: String, want: &str| assert_eq!(got, want);
    check(text(|o| dec_right(o, 42, 5, b' ')), "   42");
    check(text(|o| dec_right(o, 42, 5, b'0')), "00042");
    check(text(|o| dec_right(o, 123_456, 5, b'0')), "123456");
    check(text(|o| dec_signed_left(o, -1, 7)), "-1     ");
    check(text(|o| dec_signed_right(o, -1, 7)), "     -1");
    check(text(|o| seconds(o, 4_236_631_431_999, 5)), " 4236.631431");
    check(text(|o| seconds(o, 999, 5)), "    0.000000");
    check(
        text(|o| seconds(o, 1_795_230_585_945_638_000, 5)),
        "1795230585.945638",
    );
    check(text(|o| right(o, b"bash", 6)), "  bash");
    check(text(|o| right(o, b"bash", 2)), "bash");
    check(text(|o| left(o, b"bash", 6)), "bash  ");
    check(text(|o| hex_zero(o, 0, 16)), "0000000000000000");
    check(text(|o| hex_zero(o, 0, 99)), "0000000000000000");
}

#[test]
fn nul() {
    for len in 0..40 {
        for end in 0..=len {
            let mut bytes = [0xffu8, 0x80, 0x01, 0x7f, b'a'].repeat(8);
            bytes.truncate(len);
            let mut out = Vec::new();
            until_nul(&mut out, &bytes);
            assert_eq!(out, bytes);
            if end < len {
                bytes[end] = 0;
                bytes[len - 1] = 0;
            }
            out.clear();
            until_nul(&mut out, &bytes);
            assert_eq!(out, bytes[..end]);
        }
    }
}

#[test]
fn pool() {
    let mut pool = Pool::new();
    let empty = pool.add(b"");
    assert_eq!(text(|o| pool.append(o, empty)), "");
    let long = "a long piece of text, longer than 2 * 16 bytes";
    let pieces = [
        "=",
        "0123456789abcdef",
        "0123456789abcdef0",
        long,
        "",
        "piece",
    ];
    let spans: Vec<Span> = pieces.iter().map(|p| pool.add(p.as_bytes())).collect();
    for (piece, span) in pieces.iter().zip(&spans) {
        assert_eq!(pool.get(*span), piece.as_bytes());
        assert_eq!(text(|o| pool.append(o, *span)), *piece);
    }
    let foreign = Span { start: 90, len: 90 };
    assert_eq!(text(|o| pool.append(o, foreign)), "");
    assert_eq!(pool.get(foreign), b"");
}
