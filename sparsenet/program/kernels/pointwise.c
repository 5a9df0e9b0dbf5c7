/* Each acts on every value of `count` an image, and may write where it reads. */

static void rectify(int images, const float *in, float *out, int count, struct rectifier by)
{
    int i;
    for (i = 0; i < images * count; i++)
        out[i] = rectified(by, in[i]);
}

static void elu(int images, const float *in, float *out, int count, float alpha)
{
    int i;
    for (i = 0; i < images * count; i++)
        out[i] = in[i] < 0 ? alpha * expm1f(in[i]) : in[i];
}

static void sigmoid(int images, const float *in, float *out, int count)
{
    int i;
    for (i = 0; i < images * count; i++)
        out[i] = 1 / (1 + expf(-in[i]));
}

static void hyperbolic_tangent(int images, const float *in, float *out, int count)
{
    int i;
    for (i = 0; i < images * count; i++)
        out[i] = tanhf(in[i]);
}

static void linear(int images, const float *in, float *out, int count, float scale, float shift)
{
    int i;
    for (i = 0; i < images * count; i++)
        out[i] = shift + scale * in[i];
}

static void power(int images, const float *in, float *out, int count, float exponent)
{
    int i;
    for (i = 0; i < images * count; i++)
        out[i] = powf(in[i], exponent);
}

/* A factor and a shift for each channel of `pixels` values. */
static void affine(int images, const float *in, float *out, int channels, int pixels,
                   struct rectifier by, const float *factors, const float *shifts)
{
    int m, c, i;
    for (m = 0; m < images; m++)
        for (c = 0; c < channels; c++, in += pixels, out += pixels)
            for (i = 0; i < pixels; i++)
                out[i] = rectified(by, factors[c] * in[i] + shifts[c]);
}

/* A slope below 0 for each channel. */
static void rectify_channels(int images, const float *in, float *out, int channels, int pixels,
                             const float *slopes)
{
    int m, c, i;
    for (m = 0; m < images; m++)
        for (c = 0; c < channels; c++, in += pixels, out += pixels)
            for (i = 0; i < pixels; i++)
                out[i] = in[i] < 0 ? slopes[c] * in[i] : in[i];
}

static void add(int images, const float *in, const float *other, float *out, int count,
                struct rectifier by, float factor, float other_factor)
{
    int i;
    for (i = 0; i < images * count; i++)
        out[i] = rectified(by, factor * in[i] + other_factor * other[i]);
}

static void multiply_values(int images, const float *in, const float *other, float *out, int count,
                            struct rectifier by)
{
    int i;
    for (i = 0; i < images * count; i++)
        out[i] = rectified(by, in[i] * other[i]);
}

static void take_larger(int images, const float *in, const float *other, float *out, int count,
                        struct rectifier by)
{
    int i;
    for (i = 0; i < images * count; i++)
        out[i] = rectified(by, in[i] > other[i] ? in[i] : other[i]);
}
