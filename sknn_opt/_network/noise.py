"""Normal noise on the input."""

from .._compiler.declarations import Call, kernel, real
from .random_stream import standard_normal

ADD_NOISE = "void (real *block, int64 n, int64 key, int64 first, double deviation)"

call_add_noise = Call(ADD_NOISE)


@kernel(ADD_NOISE)
def add_noise(block, n, key, first, deviation):
    """Add normal noise of mean 0 and this standard deviation to each element."""
    scale = real(deviation)
    for i in range(n):
        block[i] += scale * standard_normal(key, first + i)
