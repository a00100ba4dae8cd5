//! The table of named latent codes.

use crate::{Error, Result};

/// Named latents of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatentTable {
    names: Vec<String>,
    values: Vec<f32>,
}

impl LatentTable {
    /// `values` holds one latent per name, row-major.
    ///
    /// # Errors
    /// Where the rows cannot be of one length.
    pub fn new(names: Vec<String>, values: Vec<f32>) -> Result<Self> {
        let uneven = if names.is_empty() { !values.is_empty() } else { !values.len().is_multiple_of(names.len()) };
        if uneven {
            return Err(Error::invalid(format!(
                "{} names do not fit a latent table of {} numbers",
                names.len(),
                values.len()
            )));
        }
        Ok(Self { names, values })
    }

    /// Number of latents.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Length of one latent.
    pub fn dim(&self) -> usize {
        self.values.len().checked_div(self.names.len()).unwrap_or(0)
    }

    /// Names, in the order of the rows.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All latents, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Latent `index`.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn get(&self, index: usize) -> &[f32] {
        &self.values[index * self.dim()..][..self.dim()]
    }

    /// The row that `key` names: an exact name first, else an index (`17`, or `#17` where a name could
    /// be read as a number).
    ///
    /// # Errors
    /// Where there is neither; the message suggests the nearest name.
    pub fn find(&self, key: &str) -> Result<usize> {
        if let Some(row) = self.names.iter().position(|n| n == key) {
            return Ok(row);
        }
        let digits = key.strip_prefix('#').unwrap_or(key);
        if let Ok(row) = digits.parse::<usize>() {
            if row < self.len() {
                return Ok(row);
            }
            return Err(Error::invalid(format!(
                "there is no latent {row}: the model has {} (0 to {})",
                self.len(),
                self.len().saturating_sub(1)
            )));
        }
        // Fewest typing errors first; among those, the one that starts most alike.
        let errors = |name: &String| strsim::damerau_levenshtein(name, key);
        let alike = |name: &String| strsim::jaro_winkler(name, key);
        let nearest = self.names.iter().min_by(|a, b| errors(a).cmp(&errors(b)).then(alike(b).total_cmp(&alike(a))));
        let advice = nearest.map_or_else(|| "the model has no latents".to_owned(), |n| format!("did you mean '{n}'?"));
        Err(Error::invalid(format!("there is no latent named '{key}'; {advice}")))
    }

    pub(super) fn validate(&self, dim: usize) -> Result<()> {
        if !self.is_empty() && self.dim() != dim {
            return Err(Error::invalid(format!(
                "the latents have {} entries; the hypernetwork takes {dim}",
                self.dim()
            )));
        }
        match self.values.iter().position(|v| !v.is_finite()) {
            Some(i) => Err(Error::invalid(format!(
                "latent '{}' holds a number that is not finite",
                self.names[i / dim.max(1)]
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> LatentTable {
        let names = ["100", "airplane", "alien"].map(String::from).to_vec();
        LatentTable::new(names, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap()
    }

    #[test]
    fn a_name_wins_over_an_index() {
        let names = ["7", "1", "0"].map(String::from).to_vec();
        let t = LatentTable::new(names, vec![0.0; 3]).unwrap();
        assert_eq!(t.find("0").unwrap(), 2);
        assert_eq!(t.find("#0").unwrap(), 0);
    }

    #[test]
    fn rows_and_suggestions() {
        let t = table();
        assert_eq!(t.get(t.find("airplane").unwrap()), [2.0, 3.0]);
        assert!(t.find("airplan").unwrap_err().to_string().contains("did you mean 'airplane'?"));
        assert!(t.find("12").unwrap_err().to_string().contains("0 to 2"));
    }
}
