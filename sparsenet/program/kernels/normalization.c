/* x^-beta; the paper's beta of 3/4 takes roots only. */
static inline float shrunk(float x, float beta)
{
    return beta == 0.75f ? 1 / (sqrtf(x) * sqrtf(sqrtf(x))) : powf(x, -beta);
}

/* x (k + alpha sum x_j^2)^-beta over `size` channels around each; `sums` is a channel. */
static void normalize_across(int images, const float *in, float *out, float *sums, int channels,
                             int pixels, int size, float alpha, float beta, float k)
{
    int m, c, j, i;
    for (m = 0; m < images; m++, in += channels * pixels)
        for (c = 0; c < channels; c++, out += pixels) {
            int first = c - size / 2 > 0 ? c - size / 2 : 0;
            int last = c + size / 2 < channels - 1 ? c + size / 2 : channels - 1;
            for (i = 0; i < pixels; i++)
                sums[i] = 0;
            for (j = first; j <= last; j++)
                for (i = 0; i < pixels; i++)
                    sums[i] += in[j * pixels + i] * in[j * pixels + i];
            for (i = 0; i < pixels; i++)
                out[i] = in[c * pixels + i] * shrunk(k + alpha * sums[i], beta);
        }
}

/* x (1 + alpha sum x_j^2)^-beta over size x size pixels around each, 0 beyond the image. */
static void normalize_within(int images, const float *in, float *out, int channels, int height,
                             int width, int size, float alpha, float beta)
{
    const int away = size / 2;
    int c, y, x, i, j;
    for (c = 0; c < images * channels; c++, in += height * width)
        for (y = 0; y < height; y++)
            for (x = 0; x < width; x++) {
                int bottom = y + away < height - 1 ? y + away : height - 1;
                int right = x + away < width - 1 ? x + away : width - 1;
                float sum = 0;
                for (i = y - away > 0 ? y - away : 0; i <= bottom; i++)
                    for (j = x - away > 0 ? x - away : 0; j <= right; j++)
                        sum += in[i * width + j] * in[i * width + j];
                *out++ = in[y * width + x] * shrunk(1 + alpha * sum, beta);
            }
}

/* Over the channels at each pixel, less the largest first. */
static void softmax(int images, const float *in, float *out, int channels, int pixels)
{
    int m, c, i;
    for (m = 0; m < images; m++, in += channels * pixels, out += channels * pixels)
        for (i = 0; i < pixels; i++) {
            float most = in[i], sum = 0;
            for (c = 1; c < channels; c++)
                most = in[c * pixels + i] > most ? in[c * pixels + i] : most;
            for (c = 0; c < channels; c++)
                sum += out[c * pixels + i] = expf(in[c * pixels + i] - most);
            for (c = 0; c < channels; c++)
                out[c * pixels + i] /= sum;
        }
}
