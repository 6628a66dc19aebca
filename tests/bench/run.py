#!/usr/bin/env python3
"""The benchmark: Tidemill, Apache Kafka and a server that stores nothing, side by side on one machine.

  tests/bench/run.py [--pairs N] [--seconds S] [--only NAME,...] [--without-kafka] [--json FILE]
                     [--against DIR]   another build of Tidemill, for example of the commit before

Each scenario drives every system with the same client programs (librdkafka), interleaved, --pairs times, and prints
medians, ratios and the broker's own CPU seconds. Numbers of one run can be compared with each other; numbers of
different runs cannot. Kafka runs with its default settings (it acknowledges before it syncs) and a heap of 1 GiB.
Tidemill runs with its defaults (it syncs before it acknowledges).
"""
import argparse, json, os, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

from touch import Touch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('TIDEMILL_BENCH_BUILD', os.path.join(ROOT, 'build', 'bench'))
HERTZ = os.sysconf('SC_CLK_TCK')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        select_nothing(0.002)
    raise SystemExit(f'bench: waited {seconds} s for {what}')


def select_nothing(seconds):
    import select
    select.select([], [], [], seconds)


class System:
    """One server process: its start, and the resources that it used."""
    name = ''

    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()
        self.process = None

    @property
    def brokers(self):
        return f'127.0.0.1:{self.port}'

    def launch(self, command, **more):
        self.log = open(os.path.join(self.directory, 'log'), 'ab')
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, **more)

    def cpu_seconds(self):
        fields = open(f'/proc/{self.process.pid}/stat').read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / HERTZ

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def rss_mib(self, peak=False):
        key = 'VmHWM' if peak else 'VmRSS'
        status = open(f'/proc/{self.process.pid}/status').read()
        return int(re.search(key + r':\s+(\d+)', status).group(1)) / 1024

    def answers(self):
        """Waits until an ApiVersions v0 request gets an answer."""
        try:
            with socket.create_connection(('127.0.0.1', self.port), timeout=1) as s:
                s.sendall(bytes.fromhex('0000000a001200000000000100') + b'\x00')
                return len(s.recv(4)) == 4
        except OSError:
            return False

    def tool(self, *arguments):
        subprocess.run([os.path.join(BUILD, 'tidemill'), '-b', self.brokers, '-y', *arguments], check=True,
                       stdout=subprocess.DEVNULL)

    def create(self, topic, partitions, **configs):
        self.tool('topic', 'create', topic, '-p', str(partitions),
                  *(x for k, v in configs.items() for x in ('-c', f'{k.replace("_", ".")}={v}')))

    def set(self, topic, **configs):
        self.tool('topic', 'set', topic, *(f'{k.replace("_", ".")}={v}' for k, v in configs.items()))

    def flags(self, **settings):
        """Settings of the broker, as start() takes them."""
        return [f'{k.replace("_", ".")}={v}' for k, v in settings.items()]

    def disk(self):
        """The segment files (.log, under any name) of all topics: how many, and their bytes on the disk."""
        files, size = 0, 0
        for path, _, names in os.walk(os.path.join(self.directory, 'data')):
            for name in names:
                if re.match(r'\d{20}\.log', name):
                    try:
                        size += os.stat(os.path.join(path, name)).st_blocks * 512
                        files += 1
                    except FileNotFoundError:
                        pass
        return files, size

    def forget_files(self):
        """Drops the topics' files from the page cache, as far as they are on the disk."""
        for path, _, names in os.walk(os.path.join(self.directory, 'data')):
            for name in names:
                if re.match(r'\d{20}\.', name):
                    try:
                        descriptor = os.open(os.path.join(path, name), os.O_RDONLY)
                    except FileNotFoundError:
                        continue
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                    os.close(descriptor)

    def io_bytes(self):
        """Bytes that the process has read and written so far."""
        fields = dict(line.split(': ') for line in open(f'/proc/{self.process.pid}/io').read().splitlines())
        return int(fields['rchar']) + int(fields['wchar'])

    def stop(self, number=signal.SIGTERM):
        if self.process:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None


class Tidemill(System):
    name = 'tidemill'
    build = BUILD

    def start(self, *flags):
        self.launch([os.path.join(self.build, 'tidemilld'), '-X', f'log.dirs={self.directory}/data',
                     '-X', f'listeners=PLAINTEXT://127.0.0.1:{self.port}',
                     '-X', 'group.initial.rebalance.delay.ms=0', *flags])
        wait_for(self.answers, 60, 'tidemilld')


    def flags(self, **settings):
        return [x for flag in super().flags(**settings) for x in ('-X', flag)]


class Other(Tidemill):
    """Another build of Tidemill: --against."""
    name = 'other'


class Kafka(System):
    name = 'kafka'
    jars = None

    @classmethod
    def collect(cls):
        target = os.path.join(BUILD, 'kafka-jars')
        if not os.path.isdir(target):
            subprocess.run(['mvn', '-q', '-B', '-f', os.path.join(ROOT, 'tests/bench/kafka/pom.xml'),
                            'dependency:copy-dependencies', f'-DoutputDirectory={target}'], check=True)
        cls.jars = os.path.join(target, '*')

    def java(self, *arguments):
        return ['java', '-Xmx1g', '-Xms1g', '-XX:+UseG1GC', '-cp', self.jars, *arguments]

    def start(self, *flags):
        properties = os.path.join(self.directory, 'server.properties')
        data = os.path.join(self.directory, 'data')
        if not os.path.exists(properties):
            controller = free_port()
            with open(properties, 'w') as f:
                f.write(f'process.roles=broker,controller\nnode.id=1\n'
                        f'controller.quorum.voters=1@127.0.0.1:{controller}\n'
                        f'listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}\n'
                        f'advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}\n'
                        f'controller.listener.names=CONTROLLER\n'
                        f'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n'
                        f'log.dirs={data}\noffsets.topic.replication.factor=1\n'
                        f'group.initial.rebalance.delay.ms=0\n' + ''.join(x + '\n' for x in flags))
            subprocess.run(self.java('kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qg', '-c',
                                     properties), check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        self.launch(self.java('kafka.Kafka', properties))
        wait_for(self.answers, 120, 'kafka')


class Null(System):
    name = 'null'

    def start_for(self, topic, partitions):
        self.launch([os.path.join(BUILD, 'bench_null_server'), str(self.port), topic, str(partitions)])
        wait_for(self.answers, 10, 'the null server')


def start_client(program, *arguments):
    return subprocess.Popen([os.path.join(BUILD, program), *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)


def result_of(process):
    return json.loads(process.communicate(timeout=600)[0].strip().splitlines()[-1])


def client(program, *arguments):
    return result_of(start_client(program, *arguments))


PRODUCER = ['acks=all', 'linger.ms=5', 'batch.num.messages=10000', 'batch.size=1000000',
            'queue.buffering.max.messages=1000000', 'queue.buffering.max.kbytes=1048576']


class Bench:
    def __init__(self, options):
        self.options = options
        self.directory = tempfile.mkdtemp(prefix='tidemill-bench-', dir=options.directory)
        self.results = {}
        self.topics = 0

    @staticmethod
    def in_turn(running, pair):
        """Every other pair in the reverse order, so that neither system is always the first."""
        return running if pair % 2 == 0 else running[::-1]

    def systems(self):
        yield Tidemill
        if self.options.against:
            yield Other
        if not self.options.without_kafka:
            yield Kafka

    def fresh(self, kind):
        path = tempfile.mkdtemp(prefix=kind.name + '-', dir=self.directory)
        return kind(path)

    def note(self, scenario, system, **figures):
        rows = self.results.setdefault(scenario, {}).setdefault(system, [])
        rows.append(figures)
        print(f'  {scenario:28s} {system:9s} ' + '  '.join(
            f'{k}={v:.4g}' if isinstance(v, float) else f'{k}={v}' for k, v in figures.items()), flush=True)

    def produce_on(self, system, scenario, partitions, size):
        self.topics += 1
        topic = f't{self.topics}'
        if isinstance(system, Null):
            system.start_for(topic, partitions)
        else:
            system.create(topic, partitions)
        before = system.cpu_seconds()
        figures = client('bench_load', 'produce', system.brokers, topic, partitions, size,
                         self.options.seconds, *PRODUCER)
        cpu = system.cpu_seconds() - before
        gigabytes = figures['records'] * size / 1e9
        self.note(scenario, system.name, rate=figures['rate'], failed=figures['failed'],
                  cpu_s_per_gb=cpu / max(gigabytes, 1e-9), cpu_s_per_m=cpu / max(figures['records'] / 1e6, 1e-9))
        if isinstance(system, Null):
            system.stop()
        return topic, figures['records']

    def run_produce(self):
        for size, partitions in ((100, 1), (100, 16), (100, 1000), (1024, 1), (1024, 16), (1024, 1000)):
            scenario = f'produce {size}B {partitions}p'
            if self.options.scenario not in scenario:
                continue
            running = [self.fresh(kind) for kind in self.systems()]
            for system in running:
                system.start()
            for pair in range(self.options.pairs):
                for system in self.in_turn(running, pair):
                    self.produce_on(system, scenario, partitions, size)
                self.produce_on(self.fresh(Null), scenario, partitions, size)
            for system in running:
                self.note(scenario + ' rss', system.name, peak_mib=system.rss_mib(peak=True))
                system.stop()
                shutil.rmtree(system.directory, ignore_errors=True)

    def run_requests(self):
        """Requests of one record, one under way for each connection. A prepared request is sent again and again."""
        for connections in (1, 16, 256):
            scenario = f'requests {connections}c'
            running = [self.fresh(kind) for kind in self.systems()]
            for system in running:
                system.start()
                system.create('requests', 16)
            for pair in range(self.options.pairs):
                for system in self.in_turn(running, pair):
                    before = system.cpu_seconds()
                    f = client('bench_replay', system.port, 'requests', 16, connections, 100, self.options.seconds)
                    self.note(scenario, system.name, rate=f['rate'], p50_us=f['p50_us'], p99_us=f['p99_us'],
                              failed=f['failed'],
                              cpu_us_per_request=(system.cpu_seconds() - before) * 1e6 / max(f['requests'], 1))
            for system in running:
                system.stop()
                shutil.rmtree(system.directory, ignore_errors=True)

    def run_fetch(self):
        """Reads records that were just produced: for the first time, again, and once more."""
        for partitions in (1, 16):
            if self.options.scenario not in f'fetch {partitions}p':
                continue
            running = [self.fresh(kind) for kind in self.systems()]
            for system in running:
                system.start()
            for pair in range(self.options.pairs):
                for system in self.in_turn(running, pair):
                    topic, records = self.produce_on(system, f'fetch filling {partitions}p', partitions, 1024)
                    for which in ('first', 'second', 'third'):
                        self.consume_on(system, f'{which} read 1024B {partitions}p', topic, partitions, records)
                    system.tool('topic', 'delete', topic)
            for system in running:
                self.note(f'fetch {partitions}p rss', system.name, peak_mib=system.rss_mib(peak=True))
                system.stop()
                shutil.rmtree(system.directory, ignore_errors=True)

    def consume_on(self, system, scenario, topic, partitions, records):
        before = system.cpu_seconds()
        figures = client('bench_load', 'consume', system.brokers, topic, partitions, records, 120)
        cpu = system.cpu_seconds() - before
        self.note(scenario, system.name, rate=figures['rate'], cpu_s_per_gb=cpu / max(figures['bytes'] / 1e9, 1e-9))

    def run_tail(self):
        """A consumer reads records while a producer writes them, both as fast as possible."""
        running = [self.fresh(kind) for kind in self.systems()]
        for system in running:
            system.start()
        for n in range(self.options.pairs):
            for system in self.in_turn(running, n):
                topic = f'tail{n}'
                system.create(topic, 1)
                before = system.cpu_seconds()
                consumer = start_client('bench_load', 'consume', system.brokers, topic, 1, 10**12,
                                        self.options.seconds)
                produced = client('bench_load', 'produce', system.brokers, topic, 1, 1024, self.options.seconds,
                                  *PRODUCER)
                consumed = result_of(consumer)
                gigabytes = (produced['records'] * 1024 + consumed['bytes']) / 1e9
                self.note('tail fetch 1024B', system.name, rate=consumed['rate'], produced_rate=produced['rate'],
                          cpu_s_per_gb_in_and_out=(system.cpu_seconds() - before) / gigabytes)
        for system in running:
            system.stop()
            shutil.rmtree(system.directory, ignore_errors=True)

    def run_latency(self):
        for rate in (1000, 10000, 100000):
            running = [self.fresh(kind) for kind in self.systems()]
            for system in running:
                system.start()
                system.create('e2e', 1)
            for pair in range(self.options.pairs):
                for system in self.in_turn(running, pair):
                    before = system.cpu_seconds()
                    f = client('bench_latency', system.brokers, 'e2e', rate, self.options.seconds, 100,
                               'acks=all', 'linger.ms=0' if rate < 100000 else 'linger.ms=1')
                    self.note(f'end to end {rate}/s', system.name, p50_ms=f['p50_ms'], p99_ms=f['p99_ms'],
                              p999_ms=f['p999_ms'], max_ms=f['max_ms'], lost=f['lost'],
                              cpu_s=system.cpu_seconds() - before)
            for system in running:
                system.stop()
                shutil.rmtree(system.directory, ignore_errors=True)

    def run_start(self):
        for kind in self.systems():
            system = self.fresh(kind)
            for attempt in range(self.options.pairs):
                start = time.monotonic()
                system.start()
                self.note('ready, empty' if attempt == 0 else 'ready, clean restart', system.name,
                          ms=(time.monotonic() - start) * 1000, idle_rss_mib=system.rss_mib())
                system.stop()
            system.start()
            system.create('many', 2000)
            load = subprocess.Popen([os.path.join(BUILD, 'bench_load'), 'produce', system.brokers, 'many', '2000',
                                     '100', str(self.options.seconds * 3), *PRODUCER],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            select_nothing(self.options.seconds)
            system.stop(signal.SIGKILL)
            load.kill()
            load.wait()
            start = time.monotonic()
            system.start()
            self.note('ready after kill -9, 2000p', system.name, ms=(time.monotonic() - start) * 1000)
            system.stop()
            shutil.rmtree(system.directory, ignore_errors=True)
        stripped = os.path.join(self.directory, 'stripped')
        subprocess.run(['strip', '-o', stripped, os.path.join(BUILD, 'tidemilld')], check=True)
        self.note('binary, stripped', 'tidemill', mib=os.path.getsize(stripped) / 2**20)

    def timed_start(self, system):
        start = time.monotonic()
        system.start()
        return (time.monotonic() - start) * 1000

    def run_partitions(self):
        """Starts with many partitions: after clean stops, and after kill -9 while all of them get records."""
        count = self.options.partitions
        for kind in self.systems():
            system = self.fresh(kind)
            system.start()
            empty_mib = system.rss_mib()
            topics = [f'many{i}' for i in range(-(-count // 1000))]
            for topic in topics:
                system.create(topic, min(count, 1000))
            self.note(f'{count} partitions, empty', system.name, kib_each=(system.rss_mib() - empty_mib) * 1024 / count)
            for _ in range(self.options.pairs):
                loads = [Touch(system.port, topics[i::2], min(count, 1000)) for i in range(2)]
                for load in loads:
                    load.start()
                wait_for(lambda: min(load.done for load in loads) > 0, 600, 'a record in each partition')
                select_nothing(self.options.seconds)
                system.stop(signal.SIGKILL)
                for load in loads:
                    load.join()
                ms = self.timed_start(system)
                self.note(f'ready after kill -9, {count}p', system.name, ms=ms, descriptors=system.descriptors(),
                          kib_each=(system.rss_mib() - empty_mib) * 1024 / count)
                system.stop()
                self.note(f'ready after stop, {count}p', system.name, ms=self.timed_start(system))
            system.stop()
            shutil.rmtree(system.directory, ignore_errors=True)

    def run_recovery(self):
        """Starts with --gib GiB of log, after kill -9 while records arrive."""
        name = f'{self.options.gib} GiB of log'
        for kind in self.systems():
            system = self.fresh(kind)
            system.start()
            system.create('log', 16)
            arguments = ['produce', system.brokers, 'log', 16, 1024]
            size = 0
            while size < self.options.gib << 30:
                size += client('bench_load', *arguments, self.options.seconds, *PRODUCER)['records'] * 1024
            for _ in range(self.options.pairs):
                load = start_client('bench_load', *arguments, 60, *PRODUCER)
                select_nothing(self.options.seconds)
                system.stop(signal.SIGKILL)
                load.kill()
                load.communicate()
                self.note(f'ready after kill -9, {name}', system.name, ms=self.timed_start(system))
                system.stop()
                self.note(f'ready after stop, {name}', system.name, ms=self.timed_start(system))
            system.stop()
            shutil.rmtree(system.directory, ignore_errors=True)

    def filled(self, kind, segment_mib, **configs):
        """A system whose topic `state` has --mib MiB in one partition, ten records of each key."""
        system = self.fresh(kind)
        limit = {'log_cleaner_io_max_bytes_per_second': self.options.cleaner_mb * 10**6} if self.options.cleaner_mb \
            else {}
        system.start(*system.flags(log_cleaner_backoff_ms=100, log_retention_check_interval_ms=100, **limit))
        system.create('state', 1, segment_bytes=segment_mib << 20, file_delete_delay_ms=0, **configs)
        client('bench_load', 'update', system.brokers, 'state', 1, 1024, self.options.mib << 10, *PRODUCER)
        system.create('beside', 1)
        return system

    def beside(self, system):
        return start_client('bench_latency', system.brokers, 'beside', 1000, self.options.seconds, 100, 'acks=all',
                            'linger.ms=0')

    def until_disk_rests(self, system, changes_to):
        """Seconds until the last change of the segment files, and that state. The files must have changed to what
        `changes_to` accepts, and then not for two seconds. It gives up after two minutes."""
        start = changed = time.monotonic()
        last = system.disk()
        while time.monotonic() - start < 120:
            select_nothing(0.01)
            state = system.disk()
            if state != last:
                last, changed = state, time.monotonic()
            if changes_to(*last) and time.monotonic() - changed > 2:
                return changed - start, last
        raise SystemExit(f'bench: {system.name} has not shrunk its log in two minutes: {last}')

    def run_compaction(self):
        """Compacts a topic of segments of 32 MiB: first undisturbed, then beside a topic that gets 1,000 records per
        second. The second part alternates short slices with and without compaction."""
        configs = {'min_cleanable_dirty_ratio': 0.01, 'cleanup_policy': 'delete'}
        for pair in range(self.options.pairs):
            for kind in self.in_turn(list(self.systems()), pair):
                system = self.filled(kind, 32, **configs)
                before, cpu = system.disk()[1], system.cpu_seconds()
                system.set('state', cleanup_policy='compact')
                seconds, (_, after) = self.until_disk_rests(system, lambda _, size: size < before / 2)
                self.note(f'compaction {self.options.mib} MiB', system.name, seconds=seconds,
                          mb_per_s=before / 1e6 / seconds, mib_before=before / 2**20, mib_after=after / 2**20,
                          cpu_s=system.cpu_seconds() - cpu)
                system.stop()
                shutil.rmtree(system.directory, ignore_errors=True)
        running = [self.filled(kind, 32, **configs) for kind in self.systems()]
        for number in range(self.options.slices):
            for system in self.in_turn(running, number):
                self.slices(system, number)
        for system in running:
            system.stop()
            shutil.rmtree(system.directory, ignore_errors=True)

    def slices(self, system, number):
        """One slice with compaction and one without, in an order that changes. A round that is given up at the end of
        a slice begins again in the next one, with files that are not in the page cache."""
        figures = {}
        for compacts in ((False, True) if number % 2 else (True, False)):
            if compacts:
                system.forget_files()
                system.set('state', cleanup_policy='compact')
            before, start = system.io_bytes(), time.monotonic()
            latency = result_of(self.beside(system))
            rate = (system.io_bytes() - before) / 1e6 / (time.monotonic() - start)
            if compacts:
                system.set('state', cleanup_policy='delete')
                figures['cleaner_io_mb_per_s'] = rate
            for name in ('p50_ms', 'p99_ms', 'p999_ms'):
                figures[name if compacts else name + '_alone'] = latency[name]
            select_nothing(0.5)
        for name in ('p50', 'p99', 'p999'):
            figures[name + '_ratio'] = figures[name + '_ms'] / figures[name + '_ms_alone']
        self.note('beside compaction', system.name, **figures)

    def run_retention(self):
        """Lowers retention.bytes: all but ten of the segments of 1 MiB go."""
        for pair in range(self.options.pairs):
            for kind in self.in_turn(list(self.systems()), pair):
                system = self.filled(kind, 1)
                files, before = system.disk()
                system.set('state', retention_bytes=10 << 20)
                seconds, (left, after) = self.until_disk_rests(system, lambda count, _: count < files / 2)
                self.note(f'retention of {self.options.mib} MiB', system.name, seconds=seconds,
                          segments_gone=files - left, mib_before=before / 2**20, mib_after=after / 2**20)
                system.stop()
                shutil.rmtree(system.directory, ignore_errors=True)

    def summary(self):
        print('\nMedians, and Tidemill against the others in the same run:')
        for scenario, systems in self.results.items():
            medians = {name: {k: statistics.median(r[k] for r in rows) for k in rows[0]}
                       for name, rows in systems.items()}
            for name, figures in medians.items():
                print(f'  {scenario:28s} {name:9s} ' + '  '.join(f'{k}={v:.4g}' for k, v in figures.items()))
            mine = medians.get('tidemill')
            for other in ('other', 'kafka', 'null'):
                if mine and other in medians:
                    ratios = [f'{k} x{mine[k] / medians[other][k]:.3g}' for k in mine if medians[other].get(k)]
                    print(f'  {"":28s} against {other}: ' + '  '.join(ratios))


def build():
    subprocess.run(['cmake', '-S', ROOT, '-B', BUILD, '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=Release',
                    '-DTIDEMILL_TESTS=OFF', '-DTIDEMILL_BENCH=ON'], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(['cmake', '--build', BUILD], check=True, stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--seconds', type=int, default=5)
    parser.add_argument('--only', default='produce,requests,tail,fetch,latency,start,partitions,recovery,compaction,retention')
    parser.add_argument('--partitions', type=int, default=10000, help='of the part partitions')
    parser.add_argument('--mib', type=int, default=1024, help='of log, in the parts compaction and retention')
    parser.add_argument('--slices', type=int, default=10, help='with and without compaction, in its second part')
    parser.add_argument('--cleaner-mb', type=int, default=0, metavar='MB', help='limit of compaction, per second')
    parser.add_argument('--gib', type=int, default=10, help='of log, in the part recovery')
    parser.add_argument('--without-kafka', action='store_true')
    parser.add_argument('--directory', default=None, help='where data goes (default: the temporary directory)')
    parser.add_argument('--json')
    parser.add_argument('--scenario', default='', metavar='TEXT', help='only the scenarios of produce and fetch with this text')
    parser.add_argument('--against', metavar='DIR', help='a build folder of Tidemill to compare with')
    options = parser.parse_args()
    Other.build = options.against
    build()
    if not options.without_kafka:
        Kafka.collect()
    bench = Bench(options)
    print(f'client settings: {" ".join(PRODUCER)}; kafka: stock, 1 GiB heap, not synced; tidemill: synced')
    try:
        for name in options.only.split(','):
            getattr(bench, 'run_' + name)()
    finally:
        shutil.rmtree(bench.directory, ignore_errors=True)
    bench.summary()
    if options.json:
        with open(options.json, 'w') as f:
            json.dump(bench.results, f, indent=1)


if __name__ == '__main__':
    main()
