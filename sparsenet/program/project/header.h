/* NETTITLE */
#ifndef NETUPPER_H
#define NETUPPER_H

#ifdef __cplusplus
extern "C" {
#endif

/* The pixels that NETNAME_prepare reads: rows from the top, the channels of a pixel
 * togetherNETORDER. */
#define NETUPPER_CHANNELS NETCHANNELS
#define NETUPPER_HEIGHT NETHEIGHT
#define NETUPPER_WIDTH NETWIDTH
#define NETUPPER_PIXELS (NETUPPER_CHANNELS * NETUPPER_HEIGHT * NETUPPER_WIDTH)

/* The floats of an image as the net sees it, one channel after another, and of its scores. */
#define NETUPPER_IMAGE NETIMAGE
#define NETUPPER_SCORES NETSCORES

/* What is done to the pixels of an image before the net sees it. */
void NETNAME_prepare(const unsigned char *pixels, float *image);

/* Computes the scores and returns the place of the largest: the class. Not for several threads. */
int NETNAME_run(const float *image, float *scores);

#ifdef __cplusplus
}
#endif

#endif
