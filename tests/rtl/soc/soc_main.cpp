// SPDX-License-Identifier: BSD-2-Clause
// Runs a program on the whole device: prints what its UART says, checks how it sleeps, counts cycles.
//
//   soc_main [--cycles N] +boot=PROGRAM.hex
//
// With --cycles it only counts how fast the model runs.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "Vmpdisk_device.h"
#include "storage_dpi.h"
#include "verilated.h"

static const int block_words = 1024;
static const long long block_count = 64;
static const int uart_divisor = 8;
static std::vector<int> medium(block_count *block_words);
static int block_buffer[block_words];

int storage_blocks(long long *n)
{
	*n = block_count;
	return 1;
}

int storage_read_begin(long long block)
{
	memcpy(block_buffer, &medium[block * block_words], sizeof(block_buffer));
	return 0;
}

int storage_word(int i)
{
	return block_buffer[i];
}

void storage_write_word(int i, int word)
{
	block_buffer[i] = word;
}

int storage_write_end(long long block)
{
	memcpy(&medium[block * block_words], block_buffer, sizeof(block_buffer));
	return 0;
}

int storage_flush(void)
{
	return 0;
}

// Samples the line in the middle of each bit.
struct uart_receiver {
	int wait = 0, bits = 0, shift = 0;

	int clock(int tx)
	{
		if (!bits) {
			if (!tx) {
				bits = 9;
				wait = uart_divisor + uart_divisor / 2 - 1;
			}
			return -1;
		}
		if (wait--)
			return -1;
		wait = uart_divisor - 1;
		if (--bits == 0)
			return shift;
		shift = shift >> 1 | tx << 7;
		return -1;
	}
};

int main(int argc, char **argv)
{
	const bool measure = argc > 2 && !strcmp(argv[1], "--cycles");
	const long limit = measure ? atol(argv[2]) : 5 * 1000 * 1000;
	VerilatedContext context;
	context.commandArgs(argc, argv);
	Vmpdisk_device top(&context);
	uart_receiver uart;
	long cycles = 0, lines = 0;
	int failed = 0;
	char line[256];
	size_t used = 0;

	top.uart_rx_i = 1;
	top.trst_ni = 1;
	top.epoch_i = 1000000000000000000ull;
	top.link_rst_ni = 0xFF;
	auto start = std::chrono::steady_clock::now();
	for (; cycles < limit; cycles++) {
		top.rst_ni = cycles >= 10;
		top.clk_i = 1;
		top.port_clk_i = 0xFF;
		top.engine_clk_i = 1;
		top.link_clk_i = 0xFF;
		top.eval();
		top.clk_i = 0;
		top.port_clk_i = 0;
		top.engine_clk_i = 0;
		top.link_clk_i = 0;
		top.eval();
		int c = top.rst_ni ? uart.clock(top.uart_tx_o) : -1;
		if (c >= 0 && used < sizeof(line) - 2) {
			line[used++] = static_cast<char>(c);
			if (c == '\n') {
				line[used] = 0;
				fputs(line, stdout);
				lines++;
				failed |= !strncmp(line, "FAIL", 4);
				used = 0;
			}
		}
		if (top.phase_o >> 16 == 0xDEAD || (top.phase_o == 6 && top.sleeping_o))
			break;
	}
	std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
	printf("# %ld cycles, %.2f Mcycle/s\n", cycles, cycles / took.count() / 1e6);
	if (measure)
		return 0;
	if (top.phase_o == 6 && top.sleeping_o && lines)
		printf("PASS program_ends_and_device_sleeps\n");
	else {
		printf("FAIL program_ends_and_device_sleeps: phase %#x sleeping %d after %ld cycles\n",
		       top.phase_o, top.sleeping_o, cycles);
		failed = 1;
	}
	if (top.wake_time_o != ~0ull) {
		printf("FAIL wake_time_is_never: %llu\n", (unsigned long long)top.wake_time_o);
		failed = 1;
	} else
		printf("PASS wake_time_is_never\n");
	top.final();
	return failed;
}
