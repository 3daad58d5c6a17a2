// SPDX-License-Identifier: BSD-2-Clause
/* mpdisk-sim: the whole device, verilated, with its ports on Unix sockets. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"
#include "storage.h"

#define BOOT_WORDS 65536u

volatile sig_atomic_t sim_stop_signals;
volatile sig_atomic_t sim_stats_signals;

static void usage(FILE *to)
{
	fprintf(to,
		"usage: mpdisk-sim --image FILE --dir DIR [options]\n"
		"       mpdisk-sim --image FILE --replay FILE [options]\n"
		"\n"
		"  --image FILE        the medium: an ext4 image, which will be written\n"
		"  --read-only         the medium is read-only\n"
		"  --dir DIR           where the port sockets port<N>.sock and uart.log go\n"
		"  --ports N           ports to serve, 1..%u (default %u)\n"
		"  --boot HEX          what boot RAM holds (default: the firmware it was built "
		"with)\n"
		"  --link-clock MODE   tied (default), drift, or RATIO,RATIO,...: link clocks in "
		"parts of\n"
		"                      the device clock\n"
		"  --jtag PORT|PATH    OpenOCD's remote_bitbang on a loopback TCP port or Unix "
		"socket\n"
		"  --record FILE       write down every input with its cycle\n"
		"  --replay FILE       run a recording again; the image must be as it was then\n"
		"  --until CYCLES      end when device time reaches CYCLES\n"
		"  --power-cut CYCLE   the medium has a write cache, and there the power goes: "
		"status 4\n"
		"  --calendar SOCKET   virtual time, for guests with time-travel=ext:ID:SOCKET\n"
		"  --guests N          that are to come before time begins, 1..%u (default 1)\n"
		"  --no-sleep          the clock never stops while nothing happens\n"
		"  --seed N            the device's random word, and how clocks drift (default: "
		"random;\n"
		"                      1 in virtual time)\n"
		"  --epoch NS          time of day at reset, ns since 1970 (default: now; in "
		"virtual time\n"
		"                      the year 2020)\n"
		"  --stats [FILE]      cycles of each operation, at the end and on SIGUSR1\n"
		"  --stats-json FILE   the same for programs\n"
		"  --trace FILE.fst    write a trace of every signal\n"
		"  --trace-from CYCLE  from this cycle on\n"
		"  --checked           check the assertions in the device (slower)\n"
		"  -v, -q              say more; do not show the device's log\n"
		"  --help, --version\n"
		"\n"
		"SIGINT or SIGTERM stops the device in good order; a second one ends at once.\n",
		model_config.ports, model_config.ports, CALENDAR_GUESTS);
}

static int bad(const char *what, const char *value)
{
	fprintf(stderr, "mpdisk-sim: %s%s%s\n", what, value ? ": " : "", value ?: "");
	usage(stderr);
	return 2;
}

static int number(const char *s, uint64_t max, uint64_t *out)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno || *end || end == s || *s == '-' || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

static int link_clock(const char *s, struct options *o)
{
	unsigned int i = 0;
	char *end;

	if (!strcmp(s, "tied")) {
		o->untied = o->drift = false;
		return 0;
	}
	o->untied = true;
	o->drift = !strcmp(s, "drift");
	if (o->drift)
		return 0; /* the ratios come from the seed */
	do {
		double ratio = strtod(s, &end);

		if (end == s || (*end && *end != ',') || !(ratio >= 0.05 && ratio <= 20) ||
		    i == SIM_PORTS_MAX)
			return -EINVAL;
		o->ratio_ppm[i++] = (uint32_t)(ratio * 1e6 + 0.5);
		s = end + 1;
	} while (*end);
	for (; i < SIM_PORTS_MAX; i++)
		o->ratio_ppm[i] = o->ratio_ppm[i - 1];
	return 0;
}

enum {
	OPT_IMAGE = 256,
	OPT_READ_ONLY,
	OPT_DIR,
	OPT_PORTS,
	OPT_BOOT,
	OPT_LINK_CLOCK,
	OPT_JTAG,
	OPT_RECORD,
	OPT_REPLAY,
	OPT_UNTIL,
	OPT_NO_SLEEP,
	OPT_SEED,
	OPT_EPOCH,
	OPT_STATS,
	OPT_STATS_JSON,
	OPT_TRACE,
	OPT_TRACE_FROM,
	OPT_CHECKED,
	OPT_HELP,
	OPT_VERSION,
	OPT_POWER_CUT,
	OPT_CALENDAR,
	OPT_GUESTS,
};

static const struct option long_options[] = {
	{"image", required_argument, NULL, OPT_IMAGE},
	{"read-only", no_argument, NULL, OPT_READ_ONLY},
	{"dir", required_argument, NULL, OPT_DIR},
	{"ports", required_argument, NULL, OPT_PORTS},
	{"boot", required_argument, NULL, OPT_BOOT},
	{"link-clock", required_argument, NULL, OPT_LINK_CLOCK},
	{"jtag", required_argument, NULL, OPT_JTAG},
	{"record", required_argument, NULL, OPT_RECORD},
	{"replay", required_argument, NULL, OPT_REPLAY},
	{"until", required_argument, NULL, OPT_UNTIL},
	{"power-cut", required_argument, NULL, OPT_POWER_CUT},
	{"calendar", required_argument, NULL, OPT_CALENDAR},
	{"guests", required_argument, NULL, OPT_GUESTS},
	{"no-sleep", no_argument, NULL, OPT_NO_SLEEP},
	{"seed", required_argument, NULL, OPT_SEED},
	{"epoch", required_argument, NULL, OPT_EPOCH},
	{"stats", optional_argument, NULL, OPT_STATS},
	{"stats-json", required_argument, NULL, OPT_STATS_JSON},
	{"trace", required_argument, NULL, OPT_TRACE},
	{"trace-from", required_argument, NULL, OPT_TRACE_FROM},
	{"checked", no_argument, NULL, OPT_CHECKED},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

/* Options whose value is a number. 0, or 2 after a message. */
static int numeric_option(int c, const char *arg, struct options *o)
{
	uint64_t v;

	switch (c) {
	case OPT_PORTS:
		if (number(arg, 255, &v) || v < 1)
			return bad("--ports wants a number from 1", arg);
		if (v > model_config.ports) {
			fprintf(stderr,
				"mpdisk-sim: --ports %s: this model was built with %u ports; build "
				"it "
				"with more (make PORTS=%s)\n",
				arg, model_config.ports, arg);
			return 2;
		}
		o->ports = (unsigned int)v;
		return 0;
	case OPT_GUESTS:
		if (number(arg, CALENDAR_GUESTS, &v) || v < 1)
			return bad("--guests wants a number from 1", arg);
		o->guests = (unsigned int)v;
		return 0;
	case OPT_UNTIL:
		return number(arg, UINT64_MAX, &o->until) || !o->until
			       ? bad("--until wants a number of cycles", arg)
			       : 0;
	case OPT_POWER_CUT:
		return number(arg, UINT64_MAX, &o->power_cut) || !o->power_cut
			       ? bad("--power-cut wants a cycle", arg)
			       : 0;
	case OPT_TRACE_FROM:
		return number(arg, UINT64_MAX, &o->trace_from)
			       ? bad("--trace-from wants a cycle", arg)
			       : 0;
	case OPT_SEED:
		if (number(arg, UINT32_MAX, &v))
			return bad("--seed wants a 32-bit number", arg);
		o->seed = (uint32_t)v;
		o->seed_given = true;
		return 0;
	default:
		if (number(arg, INT64_MAX, &o->epoch))
			return bad("--epoch wants nanoseconds since 1970", arg);
		o->epoch_given = true;
		return 0;
	}
}

/* One option. 0, 2 after a message, or -1: done with status 0. */
static int take_option(int c, char **argv, struct options *o)
{
	switch (c) {
	case OPT_IMAGE:
		o->image = optarg;
		return 0;
	case OPT_READ_ONLY:
		o->read_only = true;
		return 0;
	case OPT_DIR:
		o->dir = optarg;
		return 0;
	case OPT_BOOT:
		o->boot = optarg;
		return 0;
	case OPT_LINK_CLOCK:
		if (link_clock(optarg, o))
			return bad("--link-clock wants tied, drift or ratios 0.05..20", optarg);
		return 0;
	case OPT_JTAG:
		o->jtag = optarg;
		return 0;
	case OPT_RECORD:
		o->record = optarg;
		return 0;
	case OPT_REPLAY:
		o->replay = optarg;
		return 0;
	case OPT_CALENDAR:
		o->calendar = optarg;
		return 0;
	case OPT_NO_SLEEP:
		o->nosleep = true;
		return 0;
	case OPT_STATS:
		/* Its file may stand in the next word, as there are no other words. */
		if (!optarg && argv[optind] && argv[optind][0] != '-')
			optarg = argv[optind++];
		o->stats = optarg ?: "-";
		return 0;
	case OPT_STATS_JSON:
		o->stats_json = optarg;
		return 0;
	case OPT_TRACE:
		o->trace = optarg;
		return 0;
	case OPT_CHECKED:
		o->checked = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case OPT_HELP:
		usage(stdout);
		return -1;
	case OPT_VERSION:
		printf("mpdisk-sim: %u ports, %u slots each, %u MiB, %u Hz\n", model_config.ports,
		       model_config.slots, model_config.memory_mib, model_config.clock_hz);
		return -1;
	case OPT_PORTS:
	case OPT_GUESTS:
	case OPT_POWER_CUT:
	case OPT_UNTIL:
	case OPT_TRACE_FROM:
	case OPT_SEED:
	case OPT_EPOCH:
		return numeric_option(c, optarg, o);
	default:
		usage(stderr);
		return 2;
	}
}

static int take_options(int argc, char **argv, struct options *o)
{
	int c, r;

	while ((c = getopt_long(argc, argv, "vq", long_options, NULL)) != -1) {
		r = take_option(c, argv, o);
		if (r)
			return r;
	}
	if (optind < argc)
		return bad("not an option", argv[optind]);
	if (!o->image)
		return bad("--image is missing", NULL);
	if (!o->dir && !o->replay)
		return bad("--dir is missing", NULL);
	if (o->record && o->replay)
		return bad("--record and --replay exclude each other", NULL);
	if (o->jtag && o->replay)
		return bad("--jtag and --replay exclude each other", NULL);
	if (o->guests && !o->calendar)
		return bad("--guests is for --calendar", NULL);
	if (o->calendar && (o->replay || o->jtag || o->nosleep))
		return bad("--calendar excludes --replay, --jtag and --no-sleep", NULL);
	return 0;
}

/* A file beside this program. */
static void beside(char *out, size_t size, const char *name)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	snprintf(out, size, "%.*s/%s", slash ? (int)(slash - self) : 1, slash ? self : ".", name);
}

/* The program with traces and assertions is another one. */
static int become_checked(char **argv)
{
	char path[PATH_MAX];

	beside(path, sizeof(path), "mpdisk-sim-trace");
	execv(path, argv);
	fprintf(stderr, "mpdisk-sim: %s: %s; --trace and --checked need it: make all\n", path,
		strerror(errno));
	return 1;
}

/* What $readmemh will read: words in hex, and @addresses, that fit boot RAM. */
static int check_boot(const char *path, uint64_t *hash)
{
	FILE *f = fopen(path, "re");
	char word[64];
	unsigned long at = 0;
	int line_ok = 1;

	if (!f) {
		fprintf(stderr, "mpdisk-sim: %s: %s; build the firmware or name it with --boot\n",
			path, strerror(errno));
		return -errno;
	}
	*hash = 1;
	while (line_ok && fscanf(f, "%63s", word) == 1) {
		bool address = word[0] == '@';
		char *end;
		unsigned long v;

		if (!strncmp(word, "//", 2)) {
			if (fscanf(f, "%*[^\n]") == EOF)
				break;
			continue;
		}
		v = strtoul(word + address, &end, 16);
		line_ok = !*end && end != word + address && v <= UINT32_MAX &&
			  (address ? v : at) < BOOT_WORDS;
		at = address ? v : at + 1;
		*hash = hash_mix(*hash, v | (uint64_t)address << 32);
	}
	fclose(f);
	if (line_ok && at)
		return 0;
	fprintf(stderr,
		"mpdisk-sim: %s: not an image of boot RAM: at most %u words of 8 hex digits\n",
		path, BOOT_WORDS);
	return -EINVAL;
}

static int check_dir(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) || !S_ISDIR(st.st_mode)) {
		fprintf(stderr, "mpdisk-sim: --dir %s: no such directory; make it first\n", dir);
		return -ENOTDIR;
	}
	if (access(dir, W_OK | X_OK)) {
		fprintf(stderr, "mpdisk-sim: --dir %s: %s\n", dir, strerror(errno));
		return -EACCES;
	}
	return 0;
}

static void on_stop(int signal)
{
	(void)signal;
	sim_stop_signals++;
	if (sim_stop_signals > 4) /* the model itself hangs */
		_exit(1);
}

static void on_stats(int signal)
{
	(void)signal;
	sim_stats_signals++;
}

static void take_over_signals(void)
{
	struct sigaction stop = {.sa_handler = on_stop};
	struct sigaction stats = {.sa_handler = on_stats, .sa_flags = SA_RESTART};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGUSR1, &stats, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void describe(const struct options *o, uint64_t boot_hash, struct record_header *h)
{
	*h = (struct record_header){
		.magic = RECORD_MAGIC,
		.epoch = o->epoch,
		.image_blocks = storage_size_blocks(),
		.boot_hash = boot_hash,
		.seed = o->seed,
		.ports = o->ports,
		.model_ports = model_config.ports,
		.model_slots = model_config.slots,
		.model_memory_mib = model_config.memory_mib,
		.model_clock_hz = model_config.clock_hz,
		.drift = o->drift,
		.image_read_only = o->read_only,
	};
	if (o->untied)
		memcpy(h->ratio_ppm, o->ratio_ppm, sizeof(h->ratio_ppm));
}

/* A replay takes everything that the device can see from the recording. */
static int adopt(struct options *o, const struct record_header *h)
{
	if (h->model_ports != model_config.ports || h->model_slots != model_config.slots ||
	    h->model_memory_mib != model_config.memory_mib ||
	    h->model_clock_hz != model_config.clock_hz) {
		fprintf(stderr,
			"mpdisk-sim: %s: recorded with %u ports, %u slots, %u MiB; this model is "
			"another\n",
			o->replay, h->model_ports, h->model_slots, h->model_memory_mib);
		return -EINVAL;
	}
	o->ports = h->ports;
	o->epoch = h->epoch;
	o->seed = h->seed;
	o->drift = h->drift;
	o->read_only = h->image_read_only;
	o->untied = h->ratio_ppm[0] != 0;
	memcpy(o->ratio_ppm, h->ratio_ppm, sizeof(o->ratio_ppm));
	return 0;
}

/* The image and the firmware must be what they were. */
static int same_start(const struct options *o, const struct record_header *then,
		      const struct record_header *now)
{
	const char *what = NULL;

	if (then->image_blocks != now->image_blocks || then->image_hash != now->image_hash)
		what = "the image is not as it was when the recording began; use a copy from then";
	else if (then->boot_hash != now->boot_hash)
		what = "it was recorded with another firmware; name that with --boot";
	if (what)
		fprintf(stderr, "mpdisk-sim: %s: %s\n", o->replay, what);
	return what ? -EINVAL : 0;
}

static int verdict(const struct sim *sim)
{
	switch (sim->end) {
	case SIM_STOPPED:
	case SIM_UNTIL:
		return sim->refused ? 1 : 0;
	case SIM_POWER_CUT:
		return 4;
	case SIM_STUCK:
		fprintf(stderr, "mpdisk-sim: the device was asked to stop and did not\n");
		return 1;
	case SIM_MODEL_ENDED:
		fprintf(stderr, "mpdisk-sim: the model ended itself at cycle %llu\n",
			(unsigned long long)sim->cycle);
		return 1;
	default:
		return 1;
	}
}

#define CACHE_BLOCKS 256 /* of the medium, with --power-cut */

#define VIRTUAL_SEED 1u
#define VIRTUAL_EPOCH 1577836800000000000ull /* 2020-01-01 */

static const struct links_ops live = {.command = input_command, .drop = input_drop};

/* Opens what the run needs besides the model. */
static int open_all(struct sim *sim, struct options *o, struct record_header *header)
{
	const struct links_time virtual = {.cycles = sim->pins.time, .hz = model_config.clock_hz};
	char log[PATH_MAX];
	int err;

	if (o->dir)
		snprintf(log, sizeof(log), "%s/uart.log", o->dir);
	sim->hashing = o->record || o->replay;
	err = stats_init(o->ports, &sim->stats);
	if (!err)
		err = sim_prepare(sim);
	/* The sockets first: they tell whether another one is at work here, whose files must stay.
	 */
	if (!err && !o->replay)
		err = links_open(o->dir, o->ports, sim->bus, &live, sim, o->verbose,
				 o->calendar ? &virtual : NULL, &sim->links);
	if (!err && o->calendar)
		err = calendar_open(o->calendar, o->guests ?: 1, o->epoch, &sim->calendar);
	if (!err)
		err = devlog_open(o->dir ? log : NULL, o->quiet, &sim->log);
	if (!err && o->record)
		err = record_create(o->record, header, &sim->record);
	if (!err && o->jtag)
		err = jtag_open(o->jtag, &sim->jtag);
	if (!err && o->trace && !model_trace_open(sim->model, o->trace)) {
		fprintf(stderr, "mpdisk-sim: %s: cannot be written\n", o->trace);
		err = -EIO;
	}
	return err;
}

static int run(struct sim *sim, struct options *o, struct record_header *header)
{
	unsigned int port;
	int status = 1;

	sim->opt = o;
	sim->ports = o->ports;
	sim->model = model_create(o->boot);
	if (!sim->model) {
		fprintf(stderr, "mpdisk-sim: %s\n", strerror(ENOMEM));
		goto out;
	}
	model_pins(sim->model, &sim->pins);
	if (open_all(sim, o, header))
		goto out;
	take_over_signals();
	sim_run(sim);
	input_end(sim);
	devlog_close(sim->log);
	sim->log = NULL;
	status = verdict(sim);
	sim_report(sim, false);
	if (o->verbose || o->replay)
		fprintf(stderr, "mpdisk-sim: ended at cycle %llu\n",
			(unsigned long long)sim->cycle);
out:
	links_close(sim->links);
	calendar_close(sim->calendar);
	jtag_close(sim->jtag);
	if (record_close(sim->record))
		status = 1;
	devlog_close(sim->log);
	stats_free(sim->stats);
	for (port = 0; port < sim->ports; port++)
		bus_free(&sim->bus[port]);
	model_destroy(sim->model);
	return status;
}

int main(int argc, char **argv)
{
	static struct sim sim;
	struct options o = {.ports = model_config.ports};
	struct record_header then, now;
	char boot[PATH_MAX];
	uint64_t boot_hash = 0;
	struct timespec ts;
	int status;
	int err;

	err = take_options(argc, argv, &o);
	if (err)
		return err > 0 ? err : 0;
	if (o.replay && (record_open(o.replay, &then, &sim.replay) || adopt(&o, &then)))
		return 1;
	if ((o.trace || o.checked) && !model_config.trace)
		return become_checked(argv);
	if (!o.boot) {
		beside(boot, sizeof(boot), SIM_BOOT_DEFAULT);
		o.boot = boot;
	}
	if (check_boot(o.boot, &boot_hash) || (o.dir && check_dir(o.dir)))
		return 1;
	if (o.calendar && !o.seed_given) {
		o.seed = VIRTUAL_SEED;
		o.seed_given = true;
	}
	if (o.calendar && !o.epoch_given) {
		o.epoch = VIRTUAL_EPOCH;
		o.epoch_given = true;
	}
	if (!o.replay && !o.seed_given && getrandom(&o.seed, sizeof(o.seed), 0) < 0)
		o.seed = (uint32_t)getpid();
	if (!o.replay && !o.epoch_given) {
		clock_gettime(CLOCK_REALTIME, &ts);
		o.epoch = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	}
	if (!o.replay && o.drift)
		clocks_ratios(o.seed, o.ratio_ppm);
	if (storage_open(o.image, o.read_only))
		return 1;
	describe(&o, boot_hash, &now);
	if ((o.record || o.replay) && storage_hash(&now.image_hash)) {
		fprintf(stderr, "mpdisk-sim: %s: cannot be read\n", o.image);
		return 1;
	}
	if (o.replay && same_start(&o, &then, &now))
		return 1;
	if (o.power_cut && storage_cache(CACHE_BLOCKS, o.seed))
		return 1;
	status = run(&sim, &o, &now);
	record_close(sim.replay);
	if (sim.end == SIM_POWER_CUT) {
		uint32_t lost, torn, kept;

		storage_power_cut(&lost, &torn, &kept);
		fprintf(stderr,
			"mpdisk-sim: power cut at cycle %llu: of the blocks not flushed %u are "
			"lost, %u torn, %u written\n",
			(unsigned long long)sim.cycle, lost, torn, kept);
	}
	if (storage_close())
		status = 1;
	return status;
}
