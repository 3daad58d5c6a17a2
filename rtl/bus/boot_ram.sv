// SPDX-License-Identifier: BSD-2-Clause
// Boot RAM: firmware's code and hot data; one side for instructions, one for data.
`default_nettype none

module boot_ram #(
    parameter int unsigned Words    = 65536,
    parameter              BootFile = ""      // for $readmemh; in simulation +boot=FILE comes first
) (
    input  wire logic                     clk_i,
    input  wire logic                     rst_ni,

    // instructions: bursts, the first word one cycle after the request, then a word each cycle
    input  wire logic                     i_stb_i,
    input  wire logic [$clog2(Words)-1:0] i_adr_i,
    input  wire logic                     i_last_i,
    output logic                          i_ack_o,
    output logic [31:0]                   i_rdata_o,

    // data: writes at once, reads as above
    input  wire logic                     d_stb_i,
    input  wire logic                     d_we_i,
    input  wire logic [$clog2(Words)-1:0] d_adr_i,
    input  wire logic                     d_burst_i,  // more words of this burst follow
    input  wire logic [3:0]               d_sel_i,
    input  wire logic [31:0]              d_wdata_i,
    output logic                          d_ack_o,
    output logic [31:0]                   d_rdata_o
);
  localparam int unsigned Width = $clog2(Words);

  logic [31:0] mem[Words];

`ifdef YOSYS
  initial if (BootFile != "") $readmemh(BootFile, mem);
`else
  initial begin
    string name;
    if ($value$plusargs("boot=%s", name)) $readmemh(name, mem);
    else if (BootFile != "") $readmemh(BootFile, mem);
  end
`endif

  // ack_q: the word of the address now on the bus is in the output register. While it is taken the
  // next word of the burst is fetched.
  logic             i_ack_q, d_ack_q;
  logic [Width-1:0] i_adr, d_adr;

  assign i_ack_o = i_ack_q && i_stb_i;
  assign d_ack_o = d_stb_i && (d_we_i || d_ack_q);
  assign i_adr   = {i_adr_i[Width-1:3], i_adr_i[2:0] + 3'(i_ack_q)};
  assign d_adr   = {d_adr_i[Width-1:3], d_adr_i[2:0] + 3'(d_ack_q && !d_we_i)};

  always_ff @(posedge clk_i) begin
    i_ack_q <= rst_ni && i_stb_i && !(i_ack_q && i_last_i);
    d_ack_q <= rst_ni && d_stb_i && !d_we_i && (!d_ack_q || d_burst_i);
  end

  always_ff @(posedge clk_i) if (i_stb_i) i_rdata_o <= mem[i_adr];

  always_ff @(posedge clk_i) begin
    if (d_stb_i) begin
      if (d_we_i) begin
        if (d_sel_i[0]) mem[d_adr][7:0] <= d_wdata_i[7:0];
        if (d_sel_i[1]) mem[d_adr][15:8] <= d_wdata_i[15:8];
        if (d_sel_i[2]) mem[d_adr][23:16] <= d_wdata_i[23:16];
        if (d_sel_i[3]) mem[d_adr][31:24] <= d_wdata_i[31:24];
      end else d_rdata_o <= mem[d_adr];
    end
  end
endmodule

`default_nettype wire
