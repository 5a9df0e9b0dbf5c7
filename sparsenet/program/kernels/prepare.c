/* (x - mean) * factor of the centre window of an image whose pixels have their channels together, to
   an image of one channel after another. `means` are an image too, or where not, one a channel. */
static void prepare(const unsigned char *pixels, float *image, int channels, int height, int width,
                    int rows, int columns, const float *means, int is_image, const float *factors)
{
    const int top = (height - rows) / 2, left = (width - columns) / 2;
    int c, y, x;
    for (c = 0; c < channels; c++)
        for (y = top; y < top + rows; y++)
            for (x = left; x < left + columns; x++) {
                float mean = means[is_image ? (c * height + y) * width + x : c];
                *image++ = ((float)pixels[(y * width + x) * channels + c] - mean) * factors[c];
            }
}
