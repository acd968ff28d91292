//! The average of models.

use crate::Tensor;
use crate::error::{Error, Result};

use super::model_file::{Model, ModelMetadata};

impl Model {
    /// The weighted average of models, tensor by tensor: the sum of `weight * model`, divided by
    /// the sum of the weights.
    ///
    /// Of models that were trained on from one state, each with other settings or for another time,
    /// the average is often better than any of them (Wortsman et al. 2022, "Model soups"). Models
    /// that began apart have nothing in common, and their average is no model.
    ///
    /// What the metadata of all say alike is kept, and the provenance names the parts. One of weight
    /// zero is no part.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no model or one is quantised, where their architectures or directions differ, and
    /// as [`Self::check_weights`].
    pub fn average(parts: &[(Self, f64)]) -> Result<Self> {
        let Some((first, _)) = parts.first() else {
            return Err(Error::Config("an average needs at least one model".into()));
        };
        if let Some((model, bits)) = parts.iter().find_map(|(model, _)| Some((model, model.bits()?))) {
            return Err(Error::Config(format!(
                "{} is quantised to {bits} bits; average the models that such ones were made of, and quantise the average",
                kind(model)
            )));
        }
        let weights: Vec<f64> = parts.iter().map(|(_, weight)| *weight).collect();
        let total = Self::check_weights(&weights)?;
        for (model, _) in parts {
            if (model.config, model.direction) != (first.config, first.direction) {
                return Err(Error::Config(format!(
                    "models of different kinds have no average: {} and {}; take models that were trained on from one state",
                    kind(first),
                    kind(model)
                )));
            }
        }
        let tensors = first.tensors.iter().map(|(key, tensor)| {
            let mut sum = vec![0.0; tensor.data().len()];
            for (model, weight) in parts {
                let same = model.tensors.get(key).filter(|other| other.shape() == tensor.shape());
                let other = same.ok_or_else(|| {
                    Error::Config(format!("`{key}` is not in every model, or not of the same shape"))
                })?;
                let share = weight / total;
                sum.iter_mut().zip(other.data()).for_each(|(sum, v)| *sum += share * f64::from(*v));
            }
            let mean = sum.into_iter().map(|v| v as f32).collect();
            Ok((key.clone(), Tensor::new(tensor.shape(), mean)?))
        });
        Self::new(first.config, first.direction, common(parts, total), tensors.collect::<Result<_>>()?)
    }

    /// The sum of weights that [`Self::average`] can take.
    ///
    /// # Errors
    /// [`Error::Config`] where one is negative, or where their sum is zero or not finite.
    pub fn check_weights(weights: &[f64]) -> Result<f64> {
        let total: f64 = weights.iter().sum();
        if weights.iter().all(|weight| *weight >= 0.0) && total.is_finite() && total > 0.0 {
            return Ok(total);
        }
        let weights: Vec<String> = weights.iter().map(f64::to_string).collect();
        Err(Error::Config(format!(
            "the weights of an average are numbers from 0 on, one of them larger, and their sum is finite; not {}",
            weights.join(", ")
        )))
    }
}

fn kind(model: &Model) -> String {
    let c = &model.config;
    format!(
        "{} {}, ch {}, {} + {} blocks, {}x{}, {} channels",
        c.architecture(),
        model.direction,
        c.ch,
        c.n_res,
        c.n_res_decoder,
        c.img_size,
        c.img_size,
        c.img_ch
    )
}

/// What all say alike, and what the average is made of.
fn common(parts: &[(Model, f64)], total: f64) -> ModelMetadata {
    let parts = || parts.iter().filter(|(_, weight)| *weight > 0.0);
    let alike = |field: fn(&ModelMetadata) -> &Option<String>| {
        let mut values = parts().map(|(model, _)| field(&model.metadata));
        let first = values.next()?.as_ref()?;
        values.all(|value| value.as_ref() == Some(first)).then(|| first.clone())
    };
    let each = parts().map(|(model, weight)| {
        let share = (1000.0 * weight / total).round() / 10.0;
        format!("{share} % ({})", model.metadata.provenance.as_deref().unwrap_or("origin not known"))
    });
    ModelMetadata {
        domain_a: alike(|m| &m.domain_a),
        domain_b: alike(|m| &m.domain_b),
        license: alike(|m| &m.license),
        provenance: Some(format!("the average of {}", each.collect::<Vec<_>>().join(", "))),
    }
}
