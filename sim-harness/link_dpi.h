/* SPDX-License-Identifier: BSD-2-Clause */
/* What the model calls at a rising edge of an active link's clock (sim_top.sv). */
#ifndef MPDISK_SIM_LINK_DPI_H
#define MPDISK_SIM_LINK_DPI_H

typedef unsigned char svBit; /* as svdpi.h has it */

void link_tick(int port, svBit cmd_ready, svBit wready, svBit rvalid, int rdata, svBit *up,
	       svBit *cmd_valid, svBit *cmd_write, int *cmd_addr, int *cmd_len, svBit *wvalid,
	       int *wdata, svBit *rready);

#endif
