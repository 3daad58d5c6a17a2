// SPDX-License-Identifier: BSD-2-Clause
// Address decoder between the core, boot RAM, memory, registers and ports.
//
// Boot RAM at 0x0, memory at 0x4 (cached) and 0xC (not), registers at 0x8000_s000, ports at
// 0x801p_0000; everything else reads as zero. Writes to registers and ports wait until memory has
// taken every earlier store (mem_bridge.sv, invariant 2).
`default_nettype none

module bus #(
    parameter int unsigned Ports = 4
) (
    // core
    input  wire logic             i_stb_i,
    input  wire logic [29:0]      i_adr_i,
    output logic                  i_ack_o,
    output logic [31:0]           i_rdata_o,
    input  wire logic             d_stb_i,
    input  wire logic             d_we_i,
    input  wire logic [29:0]      d_adr_i,
    output logic                  d_ack_o,
    output logic [31:0]           d_rdata_o,

    // boot RAM; address and data of all slaves come from the core directly
    output logic                  boot_i_stb_o,
    input  wire logic             boot_i_ack_i,
    input  wire logic [31:0]      boot_i_rdata_i,
    output logic                  boot_d_stb_o,
    input  wire logic             boot_d_ack_i,
    input  wire logic [31:0]      boot_d_rdata_i,

    // memory
    output logic                  mem_i_stb_o,
    input  wire logic             mem_i_ack_i,
    output logic                  mem_d_stb_o,
    input  wire logic             mem_d_ack_i,
    input  wire logic [31:0]      mem_rdata_i,
    input  wire logic             mem_drained_i,

    // register blocks: 0 sys, 1 intc, 2 timer, 3 uart, 4 dma, 5 medium. All but intc answer at once.
    output logic      [5:0]       reg_stb_o,
    input  wire logic [6*32-1:0]  reg_rdata_i,
    input  wire logic             intc_ack_i,

    // ports
    output logic      [Ports-1:0] port_stb_o,
    input  wire logic [Ports-1:0] port_ack_i,
    input  wire logic [Ports*32-1:0] port_rdata_i
);
  logic i_boot, i_mem;

  assign i_boot       = i_adr_i[29:26] == 4'h0;
  assign i_mem        = i_adr_i[29:26] == 4'h4;
  assign boot_i_stb_o = i_stb_i && i_boot;
  assign mem_i_stb_o  = i_stb_i && i_mem;
  assign i_ack_o      = i_boot ? boot_i_ack_i : i_mem ? mem_i_ack_i : i_stb_i;
  assign i_rdata_o    = i_boot ? boot_i_rdata_i : i_mem ? mem_rdata_i : '0;

  logic d_boot, d_mem, d_regs, d_port, go;
  logic [2:0] reg_index;
  logic [3:0] port_index;

  assign d_boot       = d_adr_i[29:26] == 4'h0;
  assign d_mem        = d_adr_i[29:26] == 4'h4 || d_adr_i[29:26] == 4'hC;
  assign reg_index    = d_adr_i[12:10];
  assign port_index   = d_adr_i[17:14];
  assign d_regs       = d_adr_i[29:13] == 17'h10000 && reg_index < 3'd6;
  assign d_port       = d_adr_i[29:18] == 12'h801 && {28'd0, port_index} < Ports;
  assign go           = d_stb_i && (!d_we_i || mem_drained_i);
  assign boot_d_stb_o = d_stb_i && d_boot;
  assign mem_d_stb_o  = d_stb_i && d_mem;

  always_comb begin
    reg_stb_o  = '0;
    port_stb_o = '0;
    d_ack_o    = 1'b0;
    d_rdata_o  = '0;
    if (d_boot) begin
      d_ack_o   = boot_d_ack_i;
      d_rdata_o = boot_d_rdata_i;
    end else if (d_mem) begin
      d_ack_o   = mem_d_ack_i;
      d_rdata_o = mem_rdata_i;
    end else if (d_regs) begin
      reg_stb_o[reg_index] = go;
      d_ack_o              = reg_index == 3'd1 ? intc_ack_i : go;
      d_rdata_o            = reg_rdata_i[{5'd0, reg_index}*32+:32];
    end else if (d_port) begin
      for (int p = 0; p < Ports; p++) begin
        if (port_index == 4'(p)) begin
          port_stb_o[p] = go;
          d_ack_o       = port_ack_i[p];
          d_rdata_o     = port_rdata_i[p*32+:32];
        end
      end
    end else d_ack_o = go;
  end
endmodule

`default_nettype wire
