"""KL(q || p) of pairs of distributions, in closed form or from one sample."""

from keras import ops

from keras_vae.distributions.continuous import Normal

_KL = {}


def register_kl(q_class, p_class):
    """Decorator for a function (q, p) that gives KL(q || p) of each latent in closed form.

    Subclasses use it too, unless they register their own.
    """

    def register(function):
        _KL[q_class, p_class] = function
        return function

    return register


def closed_form_kl(q, p):
    """The function (q, p) registered for two distributions; None if there is none."""
    pairs = ((a, b) for a in type(q).__mro__ for b in type(p).__mro__)
    return next((_KL[pair] for pair in pairs if pair in _KL), None)


def kl_divergence(q, p, z=None):
    """KL(q || p) in nats, not yet summed over the latents.

    Pairs of `register_kl` have a closed form. Others are estimated from one sample, log q(z) -
    log p(z): unbiased, but a single value can be negative.

    Args:
        q: Distribution over latents of shape `(batch, ...)`.
        p: Distribution that broadcasts with q.
        z: tensor. A draw from q, needed if there is no closed form. Defaults to `None`.

    Returns:
        float32 tensor: `(batch, ...)` as q in closed form, else `(batch, 1)`.

    Raises:
        ValueError: no closed form, and no z.
    """
    if function := closed_form_kl(q, p):
        return function(q, p)
    if z is None:
        raise ValueError(
            f"KL({type(q).__name__} || {type(p).__name__}) has no closed form here; "
            "pass z, a draw from q, for the one-sample estimate."
        )
    return ops.expand_dims(q.log_prob(z) - p.log_prob(z), axis=-1)


@register_kl(Normal, Normal)
def _kl_of_normals(q, p):
    """Kingma and Welling 2014, appendix B, for p = N(0, I):

    KL = 1/2 [(m_q - m_p)^2 / s_p^2 + s_q^2 / s_p^2 - 1 - log(s_q^2 / s_p^2)]
    """
    log_ratio = q.log_var - p.log_var
    distance = ops.square(q.mean - p.mean) * ops.exp(-p.log_var)
    return 0.5 * (distance + ops.expm1(log_ratio) - log_ratio)
