//! The sRGB curve (IEC 61966-2-1) between display-referred values and linear light, continued as odd functions below 0.

/// From display-referred to linear light.
pub(crate) fn srgb_to_linear(unit: f32) -> f32 {
    let a = unit.abs();
    let linear = if a <= 0.040_45 { a / 12.92 } else { ((a + 0.055) / 1.055).powf(2.4) };
    linear.copysign(unit)
}

/// From linear light to display-referred.
pub(crate) fn linear_to_srgb(linear: f32) -> f32 {
    let a = linear.abs();
    let unit = if a <= 0.003_130_8 { a * 12.92 } else { 1.055 * a.powf(1.0 / 2.4) - 0.055 };
    unit.copysign(linear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_undo_each_other() {
        for i in -40..=80_i8 {
            let u = f32::from(i) / 40.0;
            assert!((linear_to_srgb(srgb_to_linear(u)) - u).abs() < 1e-5, "{u}");
        }
        // A grey card of 18 % is 46 % on a display.
        assert!((linear_to_srgb(0.18) - 0.461).abs() < 1e-3);
    }
}
