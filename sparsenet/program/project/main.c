/* Prints the class of images: ./NETNAME IMAGE... */
#include "NETNAME.h"

#include <ctype.h>
#include <stdio.h>

static unsigned char pixels[NETUPPER_PIXELS];
static float image[NETUPPER_IMAGE];
static float scores[NETUPPER_SCORES];

/* The names of the classes; empty where they are not known. */
static const char *const classes[NETUPPER_SCORES] = {
NETCLASSES
};

/* The next number of a header, after spaces and comments, and the byte after it; -1 for none. */
static long header_number(FILE *file)
{
    long number = 0;
    int c, comment = 0;
    for (c = getc(file); c != EOF && (comment || c == '#' || isspace(c)); c = getc(file))
        comment = c == '#' || (comment && c != '\n');
    if (!isdigit(c))
        return -1;
    for (; isdigit(c); c = getc(file)) {
        number = 10 * number + (c - '0');
        if (number > 1000000)
            return -1;
    }
    return isspace(c) ? number : -1;
}

/* Reads the pixels of a PGM (P5) or PPM (P6) file; returns what is wrong with it, or NULL. */
static const char *read_pixels(FILE *file)
{
    long width, height, most;
    if (getc(file) != 'P' || getc(file) != (NETUPPER_CHANNELS == 1 ? '5' : '6'))
        return NETUPPER_CHANNELS == 1 ? "is no binary PGM (P5)" : "is no binary PPM (P6)";
    width = header_number(file);
    height = header_number(file);
    most = header_number(file);
    if (width < 1 || height < 1 || most < 1)
        return "has a damaged header";
    if (width != NETUPPER_WIDTH || height != NETUPPER_HEIGHT)
        return "is of another size than the net's images";
    if (most != 255)
        return "has pixels of another range than 0 to 255";
    if (fread(pixels, 1, sizeof pixels, file) != sizeof pixels)
        return "ends before its last pixel";
NETSWAP    return NULL;
}

int main(int count, char **arguments)
{
    int i;
    if (count < 2) {
        fprintf(stderr, "usage: %s IMAGE...\n", count ? arguments[0] : "NETNAME");
        return 2;
    }
    for (i = 1; i < count; i++) {
        FILE *file = fopen(arguments[i], "rb");
        const char *wrong = file ? read_pixels(file) : "cannot be opened";
        int found;
        if (file)
            fclose(file);
        if (wrong) {
            fprintf(stderr, "error: %s: %s\n", arguments[i], wrong);
            return 2;
        }
        NETNAME_prepare(pixels, image);
        found = NETNAME_run(image, scores);
        printf("%d %s%s%.6g\n", found, classes[found], *classes[found] ? " " : "",
               (double)scores[found]);
    }
    return 0;
}
