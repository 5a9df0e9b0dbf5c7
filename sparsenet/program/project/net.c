/* NETTITLE

NETSTATED */
#include "NETNAME.h"

#define CHUNK 64
NETCALLS
/* The weights, as they are stored. */

NETARRAYS
NETARENA
void NETNAME_prepare(const unsigned char *pixels, float *image)
{
    prepare(pixels, image, NETPREPARE);
}

int NETNAME_run(const float *images, float *scores)
{
    const int count = 1;
    int i, most = 0;
NETLINES
    for (i = 1; i < NETUPPER_SCORES; i++)
        most = scores[i] > scores[most] ? i : most;
    return most;
}
