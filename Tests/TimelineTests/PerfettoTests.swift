import Foundation
import Simulation
import Testing

@testable import Timeline

/// A storm of everything on some CPUs, made from a seed; what a window cuts is among it.
func storm(seed: UInt64, cpus: Int, count: Int) -> Recording {
  var random = RandomStream(seed: seed, name: "timeline", index: 0)
  var recording = Recording(from: 1_000, to: 1_000 + UInt64(count) * 3)
  var running = (0..<cpus).map { _ in UInt64(random.below(3)) }.map { $0 == 0 ? 0 : 99 + $0 }
  var flow: UInt64 = 0
  for index in 0..<count {
    let time = recording.from + UInt64(index) * 3
    let cpu = random.below(cpus)
    switch random.below(16) {
    case 0..<4:
      recording.add(
        .kmalloc, at: time, cpu: cpu, a: 0xFFFF_8880_0000_0000 | random.next() >> 32,
        b: 100 | 128 << 32, c: 0xCC0)
    case 4..<7:
      recording.add(.kfree, at: time, cpu: cpu, a: 0xFFFF_8880_0000_0000 | random.next() >> 32)
    case 7:
      let next = [0, 100, 101][random.below(3)] as UInt64
      recording.addSwitch(from: running[cpu], to: next, at: time, cpu: cpu)
      running[cpu] = next
    case 8: recording.add(.irqEntry, at: time, cpu: cpu, a: 24, b: Name.eth0.rawValue)
    case 9: recording.add(.irqExit, at: time, cpu: cpu, a: 24, b: 1)
    case 10:
      recording.add(
        .allocVmapArea, at: time, cpu: cpu, a: 0xFFFF_C900_0000_0000, b: 4096,
        c: Name.listLock.rawValue << 32)
    case 11: recording.add(.lockHold, at: time, picoseconds: 400, cpu: cpu, b: 0xDC0, c: 3)
    case 12: recording.add(.lockRelease, at: time, picoseconds: 700, cpu: cpu)
    case 13:
      flow += 1
      recording.add(.shootdown, at: time, cpu: cpu, a: flow)
      recording.add(.sendIPI, at: time + 1, cpu: cpu, a: flow, b: 1)
      recording.add(.shootdownEnd, at: time + 2, cpu: cpu)
    case 14 where flow > 0:
      recording.add(.handleIPI, at: time, cpu: cpu, a: flow)
      recording.add(.handleIPIEnd, at: time + 2, cpu: cpu)
    default:
      recording.add(.freePages, at: time, cpu: -1, a: UInt64(index), b: Name.normal0.rawValue)
      recording.add(.pcpCount, at: time, cpu: cpu, a: UInt64(index))
    }
  }
  return recording
}

private let slicesOverlapping = """
  select count(*) n from slice a join slice b on a.track_id = b.track_id and a.id < b.id
  and a.ts < b.ts and b.ts < a.ts + a.dur and b.ts + b.dur > a.ts + a.dur
  """

@Suite(.enabled(if: Reader.isHere)) struct PerfettoByItsReader {
  @Test(arguments: [1, 2, 3] as [UInt64])
  func `what the reader counts is what was written`(seed: UInt64) throws {
    let recording = storm(seed: seed, cpus: 8, count: 4_000)
    let written = try recording.write(.perfetto, table(cpus: 8))
    let reader = try Reader(written.bytes, .perfetto)
    defer { reader.remove() }
    let rows = try reader.rows([
      "select name, count(*) n from ftrace_event group by name",
      "select t.name lane, count(*) n, sum(dur < 0) open from slice s join track t on t.id = "
        + "s.track_id group by lane",
      "select count(*) n from flow",
      "select t.name track, t.unit unit, count(*) n, max(value) top from counter c "
        + "join counter_track t on t.id = c.track_id group by t.name",
      slicesOverlapping,
      "select count(distinct ucpu) n, sum(dur < 0 and ts < \(recording.to)) open from sched_slice",
    ])
    var counts: [String: Int] = [:]
    for row in rows[0] { counts[row.text("name")] = row.int("n") }
    for event in Event.allCases where event.format.track.kind.isTracepoint {
      #expect(
        counts[event.format.name, default: 0] == written.tally(event).written, "\(event)")
    }
    #expect(counts["sched_switch"] == recording.count(.schedSwitch) + 16)
    let lanes = Dictionary(uniqueKeysWithValues: rows[1].map { ($0.text("lane"), $0.int("n")) })
    #expect(lanes["lock"] == recording.count(.lockHold))
    #expect(
      lanes["tlb"]
        == recording.count(.shootdown) + recording.count(.sendIPI) + recording.count(.handleIPI))
    #expect(rows[1].allSatisfy { $0.int("open") == 0 })
    #expect(rows[2][0].int("n") == written.arrows)
    #expect(written.arrows > 20)
    let free = try #require(rows[3].first { $0.text("track") == "nr_free_pages node 0 Normal" })
    #expect(free.int("n") == recording.count(.freePages))
    #expect(free.text("unit") == "pages")
    #expect(free.int("top") == Int(recording.records.last { $0.event == 18 }?.a ?? 0))
    #expect(rows[4][0].int("n") == 0)
    #expect(rows[5][0].int("n") == 8)
    #expect(rows[5][0].int("open") == 0)
  }

  @Test func `what a window cuts is mended`() throws {
    var recording = Recording(from: 1_000, to: 9_000)
    recording.add(.softirqExit, at: 1_100, cpu: 1, a: 3)
    recording.add(.lockRelease, at: 1_200, cpu: 1)
    recording.add(.handleIPI, at: 1_300, cpu: 1, a: 77)
    recording.addSwitch(from: 100, to: 0, at: 2_000, cpu: 0)
    recording.add(.softirqEntry, at: 3_000, cpu: 1, a: 3)
    recording.add(.irqEntry, at: 3_100, cpu: 1, a: 24, b: Name.eth0.rawValue)
    recording.add(.lockWait, at: 4_000, cpu: 0, a: Name.listLock.rawValue)
    recording.add(.sendIPI, at: 5_000, cpu: 0, a: 78, b: 1)
    let written = try recording.write(.perfetto, table(cpus: 3), initiallyRunning: [0, 0, 101])
    #expect(written.tally(.softirqExit) == TimelineTally(written: 1, added: 1, dropped: 1))
    #expect(written.tally(.lockRelease) == TimelineTally(written: 1, added: 1, dropped: 1))
    #expect(written.tally(.schedSwitch) == TimelineTally(written: 7, added: 6, dropped: 0))
    #expect(written.arrows == 0)
    let reader = try Reader(written.bytes, .perfetto)
    defer { reader.remove() }
    let rows = try reader.rows([
      "select s.name, ts, dur from slice s where dur > 0 order by ts",
      "select ucpu, ts, dur, t.name thread from sched_slice join thread t using (utid) "
        + "where dur >= 0 order by ucpu, ts",
      "select count(*) n from flow",
    ])
    let slices = rows[0].map { "\($0.text("name")) \($0.int("ts"))+\($0.int("dur"))" }
    #expect(
      slices == [
        "flush 1300+7700", "NET_RX 3000+6000", "IRQ (eth0) 3100+5900", "list_lock 4000+5000",
      ])
    let running = rows[1].map {
      "\($0.int("ucpu")) \($0.text("thread")) \($0.int("ts"))+\($0.int("dur"))"
    }
    #expect(
      running == [
        "0 mapper 1000+1000", "0 swapper 2000+7000", "1 swapper 1000+8000",
        "2 bystander 1000+8000",
      ])
    #expect(rows[2][0].int("n") == 0)
  }

  @Test func `fields arrive in the messages, strings and masks by name`() throws {
    var recording = Recording(to: 9_000)
    let address: UInt64 = 0xFFFF_8880_0123_4560
    recording.add(.kmalloc, at: 10, cpu: 0, a: address, b: 100 | 128 << 32, c: 0xCC0)
    recording.add(
      .allocVmapArea, at: 20, cpu: 0, a: 0xFFFF_C900_0000_1000, b: 8192,
      c: 0xFFFF_FFF4 | Name.eth0.rawValue << 32)
    recording.add(.mmPageAlloc, at: 30, cpu: 0, a: 4711, b: 3 | 1 << 8 | 0x40 << 32)
    recording.add(.schedWaking, at: 40, cpu: 0, a: 101, b: 0)
    recording.add(
      .lockHold, at: 50, cpu: 0, a: Name.zoneLock.rawValue, b: 0xDC0,
      c: Name.kmalloc64.rawValue | 0xFFFF_FFFF << 32)
    let reader = try Reader(try recording.write(.perfetto, table(cpus: 1)).bytes, .perfetto)
    defer { reader.remove() }
    let rows = try reader.rows([
      "select f.name event, a.key, a.display_value value from ftrace_event f join args a "
        + "using (arg_set_id) where f.name != 'sched_switch'",
      "select s.name, a.key, a.display_value value from slice s join args a using (arg_set_id)",
    ])
    let raw = Dictionary(
      uniqueKeysWithValues: rows[0].map { ($0.text("event") + "." + $0.text("key"), $0) })
    func value(_ key: String) -> String { raw[key]?.text("value") ?? "absent" }
    #expect(value("kmalloc.ptr") == "\(Int64(bitPattern: address))")
    #expect(value("kmalloc.bytes_req") == "100")
    #expect(value("kmalloc.bytes_alloc") == "128")
    #expect(value("kmalloc.gfp_flags") == "\(0xCC0)")
    #expect(value("mm_page_alloc.pfn") == "4711")
    #expect(value("mm_page_alloc.order") == "3")
    #expect(value("mm_page_alloc.migratetype") == "1")
    #expect(value("alloc_vmap_area.size") == "8192")
    #expect(value("alloc_vmap_area.failed") == "-12")
    #expect(value("alloc_vmap_area.who") == "eth0")
    #expect(value("sched_waking.comm") == "bystander")
    let slice = Dictionary(
      uniqueKeysWithValues: rows[1].map { ($0.text("key"), $0.text("value")) })
    #expect(slice["debug.gfp"] == "GFP_KERNEL|__GFP_ZERO")
    #expect(slice["debug.cache"] == Name.kmalloc64.text)
    #expect(slice["debug.depth"] == "-1")
    #expect(rows[1].allSatisfy { $0.text("name") == "zone->lock" })
  }

  @Test func `lanes hang under their CPU, its node and the machine, in order`() throws {
    var recording = Recording(to: 9_000)
    for cpu in [3, 0, 2] { recording.add(.purge, at: 10, cpu: cpu) }
    recording.add(.lockWait, at: 11, cpu: 3)
    let reader = try Reader(try recording.write(.perfetto, table(cpus: 4)).bytes, .perfetto)
    defer { reader.remove() }
    let rows = try reader.rows([
      "select a.name lane, b.name cpu, c.name node, d.name machine from track a join track b "
        + "on b.id = a.parent_id join track c on c.id = b.parent_id join track d "
        + "on d.id = c.parent_id order by cpu, lane"
    ])
    let paths = rows[0].map {
      [$0.text("machine"), $0.text("node"), $0.text("cpu"), $0.text("lane")]
        .joined(separator: "/")
    }
    let root = "Emulated machine"
    #expect(
      paths == [
        "\(root)/Node 0/CPU 0/vmalloc", "\(root)/Node 1/CPU 2/vmalloc",
        "\(root)/Node 1/CPU 3/lock", "\(root)/Node 1/CPU 3/vmalloc",
      ])
  }

  @Test func `only selected CPUs are written, with the rest counted`() throws {
    let recording = storm(seed: 9, cpus: 8, count: 2_000)
    let written = try recording.write(.perfetto, table(cpus: 8), cpus: [5, 2, 2, 99, -4])
    let reader = try Reader(written.bytes, .perfetto)
    defer { reader.remove() }
    let rows = try reader.rows([
      "select distinct ucpu from sched_slice order by ucpu",
      "select count(*) n from ftrace_event where name = 'kmalloc'",
      "select count(*) n from flow",
    ])
    #expect(rows[0].map { $0.int("ucpu") } == [2, 5])
    let mine = recording.records.filter { $0.event == 0 && ($0.cpu == 2 || $0.cpu == 5) }.count
    #expect(rows[1][0].int("n") == mine)
    #expect(written.tally(.kmalloc).dropped == recording.count(.kmalloc) - mine)
    #expect(rows[2][0].int("n") == written.arrows)
  }

  @Test func `4,096 CPUs load, each with its scheduling slice`() throws {
    var recording = Recording(to: 100_000)
    for cpu in 0..<4096 {
      recording.add(.kfree, at: UInt64(10 + cpu), cpu: cpu, a: 0xFFFF_8880_0000_0000)
    }
    recording.add(.lockHold, at: 50_000, cpu: 4095)
    recording.add(.irqEntry, at: 50_000, cpu: 4095, a: 1, b: 2)
    let written = try recording.write(
      .perfetto, table(cpus: 4096, nodes: 8), initiallyRunning: Array(repeating: 100, count: 2048))
    let reader = try Reader(written.bytes, .perfetto)
    defer { reader.remove() }
    #expect(try reader.errors() == "")
    let rows = try reader.rows([
      "select count(*) n from (select distinct ucpu from sched_slice where dur = 100000)",
      "select count(*) n, count(distinct ucpu) cpus from ftrace_event where name = 'kfree'",
      "select c.machine_id machine, c.cpu from ftrace_event f join cpu c using (ucpu) "
        + "where f.name = 'irq_handler_entry'",
      "select count(*) n from sched_slice join thread using (utid) where dur = 100000 "
        + "and thread.name = 'mapper'",
      "select count(*) n from slice where dur = 50000",
    ])
    #expect(rows[0][0].int("n") == 4096)
    #expect(rows[1][0].int("n") == 4096)
    #expect(rows[1][0].int("cpus") == 4096)
    #expect(rows[2][0].int("machine") == 3)
    #expect(rows[2][0].int("cpu") == 1023)
    #expect(rows[3][0].int("n") == 2048)
    #expect(rows[4][0].int("n") == 2)
  }

  @Test func `slices of different keys overlap, each key in a row of its own`() throws {
    var recording = Recording(to: 1_000)
    let (a, b) = (Name.listLock.rawValue, Name.zoneLock.rawValue)
    recording.add(.function, at: 100, cpu: 0, a: a, b: 1, c: 3)
    recording.add(.function, at: 200, cpu: 0, a: b, b: 2)
    recording.add(.function, at: 250, cpu: 0, a: a, b: 1)
    recording.add(.functionEnd, at: 300, cpu: 0, a: a, b: 1, c: .max)
    recording.add(.functionEnd, at: 400, cpu: 0, a: a, b: 1, c: 7)
    // The first row is free again, and the second is not yet.
    recording.add(.function, at: 500, cpu: 0, a: a, b: 3)
    recording.add(.functionEnd, at: 600, cpu: 0, a: b, b: 2)
    recording.add(.functionEnd, at: 700, cpu: 0, a: a, b: 4)
    let written = try recording.write(.perfetto, table(cpus: 1))
    #expect(written.tally(.functionEnd) == TimelineTally(written: 4, added: 1, dropped: 1))
    let reader = try Reader(written.bytes, .perfetto)
    defer { reader.remove() }
    let rows = try reader.rows([
      "select s.name, s.ts, s.dur, s.depth, s.track_id - (select min(track_id) from slice) row, "
        + "t.name lane from slice s join track t on t.id = s.track_id order by ts",
      "select s.ts, a.key, a.display_value value from slice s join args a using (arg_set_id) "
        + "where s.name = 'list_lock' order by ts, key",
    ])
    #expect(
      rows[0].map { "\($0.text("name")) \($0.int("ts"))+\($0.int("dur")) \($0.int("depth"))" } == [
        "list_lock 100+300 0", "zone->lock 200+400 0", "list_lock 250+50 1", "list_lock 500+500 0",
      ])
    #expect(rows[0].map { $0.int("row") > 0 } == [false, true, false, false])
    #expect(rows[0].allSatisfy { $0.text("lane") == "kernel" })
    #expect(
      rows[1].map { "\($0.int("ts")) \($0.text("key")) \($0.text("value"))" } == [
        "100 debug.order 3", "100 debug.ret 7", "250 debug.order 0", "250 debug.ret -1",
        "500 debug.order 0", "500 debug.ret 0",
      ])
  }

  @Test func `names that come up during the run are known`() throws {
    let end = Instant(picoseconds: 1_000_000)
    var bytes: [UInt8] = []
    var writer = TimelineWriter(.perfetto, table(cpus: 1), window: .zero..<end) {
      $0.withUnsafeBufferPointer { bytes += $0 }
    }
    let name = "a cache made later " + String(repeating: "x", count: 300)
    writer.append(names: [name])
    var probe = Probe()
    probe.start(from: .zero, to: end, selected: Buffer(0, 0))
    let number = UInt64(Name.allCases.count)
    probe.note(Event.lockWait.rawValue, at: Instant(picoseconds: 5_000), cpu: 0, a: number)
    probe.note(
      Event.allocVmapArea.rawValue, at: Instant(picoseconds: 6_000), cpu: 0, c: number << 32)
    probe.note(
      Event.allocVmapArea.rawValue, at: Instant(picoseconds: 7_000), cpu: 0, c: 99 << 32)
    try writer.consume(probe)
    try writer.finish(at: end)
    let reader = try Reader(bytes, .perfetto)
    defer { reader.remove() }
    let rows = try reader.rows([
      "select name from slice",
      "select display_value value from ftrace_event join args using (arg_set_id) "
        + "where key = 'who' order by ts",
    ])
    #expect(rows[0].map { $0.text("name") } == [name])
    #expect(rows[1].map { $0.text("value") } == [name, ""])
  }
}

@Suite struct PerfettoBytes {
  @Test func `the size of chunks changes no count`() throws {
    let recording = storm(seed: 4, cpus: 8, count: 3_000)
    let whole = try recording.write(.perfetto, table(cpus: 8), chunk: 30_000)
    let parts = try recording.write(.perfetto, table(cpus: 8), chunk: 7)
    #expect(whole.tallies == parts.tallies)
    #expect(whole.arrows == parts.arrows)
    #expect(try recording.write(.perfetto, table(cpus: 8), chunk: 7).bytes == parts.bytes)
  }

  @Test func `records that no format or CPU fits are left out`() throws {
    var recording = Recording(to: 1000)
    recording.records.append(ProbeRecord(time: .zero, cpu: 0, event: 999))
    recording.add(.kfree, at: 1, cpu: 70)
    recording.add(.kfree, at: 1, cpu: -1)
    let written = try recording.write(.perfetto, table(cpus: 2))
    #expect(written.tally(.kfree) == TimelineTally(written: 0, added: 0, dropped: 2))
  }
}

extension Recording {
  func count(_ event: Event) -> Int { records.filter { $0.event == event.rawValue }.count }
}
