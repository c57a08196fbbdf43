use proptest::prelude::*;

use super::*;
use crate::time::Span;

fn reference(wide: i128) -> i32 {
    i32::try_from(wide.clamp(i32::MIN.into(), i32::MAX.into())).expect("clamped")
}

/// ekk:N1: the rational curve bit for bit.
#[test]
fn n01_rational_decay_matches_the_seed() {
    let tau = Span::from_us(100_000);
    let expected =
        [(0, 65536), (1, 65536), (10_000, 59309), (100_000, 26214), (200_000, 13107), (400_000, 5041), (500_000, 0)];
    for (us, raw) in expected {
        assert_eq!(Decay::Rational.factor(Span::from_us(us), tau), Q16(raw), "{us} us");
        assert_eq!(Curve::new(Decay::Rational, tau).factor(Span::from_us(us)), Q16(raw), "{us} us by curve");
    }
    assert!(Decay::Rational.factor(Span::from_us(499_999), tau).0 > 3_000, "the cliff of the seed is kept");
}

/// ekk:N2: products and quotients at their edges.
#[test]
fn n02_products_and_quotients() {
    assert_eq!(Q16(98_304).mul(Q16(131_072)), Q16(196_608));
    assert_eq!(Q16(-3).mul(Q16(32_768)), Q16(-2));
    assert_eq!(Q16(3).mul(Q16(32_768)), Q16(1));
    assert_eq!(Q16::MIN.mul(Q16(-65_536)), Q16::MAX);
    assert_eq!(Q16(65_536).div(Q16(196_608)), Q16(21_845));
    assert_eq!(Q16(-65_536).div(Q16(196_608)), Q16(-21_845));
    assert_eq!(Q16(0).div(Q16(0)), Q16::MAX);
    assert_eq!(Q16(-1).div(Q16(0)), Q16::MIN);
    assert_eq!(Q16::MIN.abs(), Q16::MAX);
}

/// ekk:N3: fractions of 15 bits.
#[test]
fn n03_fractions() {
    for (q16, q15) in [(65_536, 32_767), (-65_536, -32_768), (32_768, 16_384), (-3, -2)] {
        assert_eq!(Q15::from_q16(Q16(q16)), Q15(q15));
    }
    assert_eq!(Q15(30_000).add(Q15(10_000)), Q15::MAX);
    assert_eq!(Q15(-30_000).sub(Q15(10_000)), Q15::MIN);
    assert_eq!(Q15::MIN.mul(Q15::MIN), Q15(0x7FFF));
    assert_eq!(Q15(-32_768).to_q16(), Q16(-65_536));
}

/// The seed's own slips in decay: large time constants and large times are ratios like any other.
#[test]
fn decay_of_extreme_times() {
    let huge = Span(u64::MAX / 2);
    for decay in [Decay::Rational, Decay::Exp, Decay::Linear, Decay::Step] {
        assert_eq!(decay.factor(Span::ZERO, huge), Q16::ONE);
        assert_eq!(decay.factor(Span(1), Span::ZERO), Q16::ZERO);
        assert_eq!(decay.factor(Span::MAX, Span(1)), Q16::ZERO);
        assert!(decay.factor(huge.over(4), huge) >= Q16(49_000), "{decay:?} a quarter of a very long constant");
    }
}

/// Aim: the square root is exact at its edges, where the seed was up to 42 % off (ekk:D-04).
#[test]
fn d04_square_roots_are_exact() {
    assert_eq!(Q16(1).sqrt(), Q16(256));
    assert_eq!(Q16(4 << 16).sqrt(), Q16(2 << 16));
    assert_eq!(Q16::MAX.sqrt(), Q16(11_863_283));
    assert_eq!(Q16(-5).sqrt(), Q16::ZERO);
}

fn shapes() -> impl Strategy<Value = Decay> {
    prop_oneof![Just(Decay::Rational), Just(Decay::Exp), Just(Decay::Linear), Just(Decay::Step)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// ekk:P1: nothing panics, everything equals the wide reference; equal ends interpolate to themselves.
    #[test]
    fn p01_arithmetic_matches_a_wide_reference(a: i32, b: i32, t: i32, s: i32) {
        let (x, y) = (i128::from(a), i128::from(b));
        prop_assert_eq!(Q16(a).add(Q16(b)).0, reference(x + y));
        prop_assert_eq!(Q16(a).sub(Q16(b)).0, reference(x - y));
        prop_assert_eq!(Q16(a).mul(Q16(b)).0, reference((x * y) >> 16));
        if b != 0 {
            prop_assert_eq!(Q16(a).div(Q16(b)).0, reference(x * 65_536 / y));
            prop_assert_eq!(Q16::ratio(a.into(), b.into()), Q16(a).div(Q16(b)));
        }
        prop_assert_eq!(Q16(a).lerp(Q16(a), Q16(t)), Q16(a));
        let inside = i128::from(t.rem_euclid(65_537));
        prop_assert_eq!(Q16(a).lerp(Q16(b), Q16(inside as i32)).0, reference(x + (((y - x) * inside) >> 16)));
        let (low, high) = (t.min(s), t.max(s));
        let (first, second) = (Q16(a).lerp(Q16(b), Q16(low)), Q16(a).lerp(Q16(b), Q16(high)));
        let ordered = if a <= b { first <= second } else { first >= second };
        prop_assert!(ordered);
    }

    /// ekk:P2: from zero to one, one at once, never growing; zero only when expired (rational), no further than one unit from the
    /// true curve (exponential), by either way of dividing.
    #[test]
    fn p02_decay(shape in shapes(), tau in 1..u64::MAX, share in 0.0..13.0_f64, more in 0.0..0.01_f64) {
        let tau = Span(tau >> (tau % 50));
        let at = |x: f64| Span(((tau.0 as f64) * x) as u64);
        let (early, late) = (at(share), at(share + more));
        let (first, second) = (shape.factor(early, tau), shape.factor(late, tau));
        prop_assert!(Q16::ZERO <= second && second <= first && first <= Q16::ONE);
        prop_assert_eq!(shape.factor(Span::ZERO, tau), Q16::ONE);
        let curve = Curve::new(shape, tau);
        prop_assert!(curve.factor(late) <= curve.factor(early));
        match shape {
            Decay::Rational => prop_assert!(first.0 != 0 || u128::from(early.0) >= 5 * u128::from(tau.0)),
            Decay::Exp => {
                let exact = (-(early.0 as f64) / (tau.0 as f64)).exp() * 65_536.0;
                for got in [first, curve.factor(early)] {
                    prop_assert!((f64::from(got.0) - exact).abs() <= 1.0, "{got:?} for {exact}");
                }
            }
            Decay::Linear | Decay::Step => prop_assert!((first.0 == 0) == (early >= tau) || tau.0 > 65_536),
        }
    }

    /// ekk:P3: the root is exact.
    #[test]
    fn p03_roots_are_exact(raw in 0..=i32::MAX) {
        let root = u64::try_from(Q16(raw).sqrt().0).expect("not negative");
        let square = (raw as u64) << 16;
        prop_assert!(root * root <= square && square < (root + 1) * (root + 1));
    }
}

/// The table step for step: neighbours in a dense walk never grow.
#[test]
fn exponential_never_grows_across_table_steps() {
    let tau = Span(1 << 32);
    let mut last = Q16::ONE;
    for step in 0..(12_u64 << 6) {
        for offset in [0_u64, 1, 2, (1 << 25), (1 << 26) - 2, (1 << 26) - 1] {
            let now = Decay::Exp.factor(Span((step << 26) + offset), tau);
            assert!(now <= last, "step {step} offset {offset}");
            last = now;
        }
    }
    assert_eq!(last, Q16::ZERO);
}
