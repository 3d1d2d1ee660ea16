import Foundation
import Testing

/// A run whose timelines are held against its own result.
struct TruthCase: CustomTestStringConvertible, Sendable {
  let scenario: String
  let machine: String
  var duration: String?
  var testDescription: String { scenario.contains("\n") ? "purges" : scenario }

  /// Without a warm-up, so that the file and the result begin together.
  func run(_ more: [String] = []) throws -> TracedRun {
    let settings = ["run.warmup=0us"] + (duration.map { ["run.duration=\($0)"] } ?? [])
    return try TracedRun(scenario, on: machine, settings, more)
  }

  static let all = [
    TruthCase(scenario: purges, machine: "package:2 numa:2 core:2 pu:1"),
    TruthCase(
      scenario: "kmalloc-storm", machine: "package:2 numa:2 core:1 pu:1", duration: "100us"),
    TruthCase(
      scenario: "remote-free", machine: "package:2 numa:1 core:2 pu:1", duration: "500us"),
    TruthCase(scenario: "nic-atomic", machine: "package:2 numa:2 core:2 pu:1", duration: "2ms"),
    TruthCase(scenario: "vmalloc-shootdown", machine: "package:1 pu:2", duration: "5ms"),
    TruthCase(scenario: "kmalloc-example", machine: "package:1 pu:2"),
    TruthCase(scenario: "vmalloc-example", machine: "package:1 pu:2"),
    TruthCase(scenario: "sleep-in-atomic", machine: "package:1 pu:2"),
  ]
}

/// What both readers can say of some slices: how many, how long, and a hash of where they lie.
private struct Sums: Equatable {
  var count = 0
  var duration = 0
  var places = 0
  mutating func add(_ start: Int, _ length: Int) {
    count += 1
    duration += length
    places += (start &* 31 &+ length) % 1_000_003
  }
}

private let queries = [
  "select name, count(*) n from ftrace_event group by name",
  """
  select t.name lane, s.name, count(*) n, sum(dur) total, sum(dur < 0) open,
    sum(ts + dur >= (select max(ts) from sched_slice)) cut
  from slice s join track t on t.id = s.track_id group by 1, 2
  """,
  """
  select ucpu, count(*) n, sum(max(dur, 0)) total,
    sum(dur < 0 and ts < (select max(ts) from sched_slice)) open
  from sched_slice group by ucpu
  """,
  """
  select count(*) n, count(distinct slice_out) outs, count(distinct slice_in) ins,
    sum('CPU ' || extract_arg(a.arg_set_id, 'debug.target_cpu') = c.name) matching
  from flow join slice a on a.id = slice_out join slice b on b.id = slice_in
  join track t on t.id = b.track_id join track c on c.id = t.parent_id
  """,
  """
  select sum(extract_arg(arg_set_id, 'debug.ipi')) ipis, count(*) n from slice
  where name = 'call queued'
  """,
  """
  select sum(name = 'sched_switch' and extract_arg(arg_set_id, 'next_pid') != 0) switches,
    sum(case when name = 'mm_page_free' then 1 << extract_arg(arg_set_id, 'order') else 0 end) freed
  from ftrace_event
  """,
  """
  select t.name, t.unit unit, count(*) n, (select value from counter d where d.track_id = t.id
    order by id desc limit 1) last
  from counter c join counter_track t on t.id = c.track_id group by t.id
  """,
  """
  select c.name || ' ' || t.name || ' ' || s.name name, count(*) n, sum(dur) total,
    sum((ts * 31 + dur) % 1000003) places
  from slice s join track t on t.id = s.track_id join track c on c.id = t.parent_id
  where s.name != 'call queued' group by 1
  """,
]

/// A run, its result, and what Perfetto's reader answers of its timeline.
private struct Evidence: ~Copyable {
  let run: TracedRun
  let rows: [[[String: Any]]]
  let raw: [String: Int]
  let cpus: Int

  init(_ run: consuming TracedRun) throws {
    let rows = try Reader(path: run.perfetto).rows(queries)
    (self.rows, cpus) = (rows, run.number("machine", "cpus"))
    raw = Dictionary(uniqueKeysWithValues: rows[0].map { ($0.text("name"), $0.int("n")) })
    self.run = run
  }

  /// Raw events of that name.
  func count(_ name: String) -> Int { raw[name, default: 0] }

  func slices(_ lane: String, _ name: String? = nil) -> Int {
    rows[1].filter {
      $0.text("lane").hasPrefix(lane) && (name ?? $0.text("name")) == $0.text("name")
    }
    .reduce(0) { $0 + $1.int("n") }
  }

  /// What a CPU is in the middle of when the run ends is counted on one side only.
  func near(_ a: Int, _ b: Int) -> Bool { abs(a - b) <= cpus }

  // MARK: Against the result

  func memoryAgrees() {
    var stats: [String: Int] = [:]
    for cache in run.list("caches") {
      for (name, value) in cache["stats"] as? [String: Int] ?? [:] {
        stats[name, default: 0] += value
      }
    }
    func both(_ what: String) -> Int {
      stats["\(what)_fastpath", default: 0] + stats["\(what)_slowpath", default: 0]
    }
    #expect(near(count("kmalloc") + count("kmem_cache_alloc"), both("alloc")))
    #expect(near(count("kfree") + count("kmem_cache_free"), both("free")))
    #expect(near(rows[5][0].int("freed"), run.number("counters", "pgfree")))
    let blocks = run.number("counters", "numa_hit") + run.number("counters", "numa_miss")
    // Pages by the bulk have no tracepoint of their own.
    if run.number("vmalloc", "allocations") == 0 { #expect(near(count("mm_page_alloc"), blocks)) }
    #expect(near(count("alloc_vmap_area"), run.number("vmalloc", "allocations")))
    #expect(near(count("free_vmap_area_noflush"), run.number("vmalloc", "lazy_frees")))
  }

  func schedulingAgrees() {
    #expect(rows[1].allSatisfy { $0.int("open") == 0 })
    #expect(rows[2].count == cpus)
    for row in rows[2] {
      #expect(row.int("n") >= 1)
      #expect(row.int("total") == run.number("time_ns"))
      #expect(row.int("open") == 0)
    }
    #expect(rows[5][0].int("switches") == run.number("interrupts", "context_switches"))
  }

  func callsAgree() {
    let arrows = rows[3][0]
    #expect(arrows.int("n") == arrows.int("outs"))
    #expect(arrows.int("n") == arrows.int("ins"))
    #expect(arrows.int("n") == max(arrows.int("matching"), 0))
    #expect(slices("remote calls") == arrows.int("n"))
    let shootdowns = run.number("tlb", "shootdowns")
    #expect(near(slices("cross-CPU calls", "shootdown"), shootdowns))
    #expect(near(slices("cross-CPU calls", "csd_lock_wait"), shootdowns))
    // An initiator that is not done has queued to some and interrupted none, or waits for some.
    let open = slices("cross-CPU calls", "shootdown") - shootdowns
    let (ipis, queued) = (max(rows[4][0].int("ipis"), 0), rows[4][0].int("n"))
    #expect(abs(ipis - run.number("tlb", "ipis_sent")) <= open * (cpus - 1))
    #expect(queued - arrows.int("n") <= open * (cpus - 1))
    #expect(arrows.int("n") >= shootdowns * (cpus - 1))
  }

  func interruptsAgree() {
    let device = run.number("interrupts", "device")
    #expect(count("irq_handler_entry") == device)
    #expect(count("irq_handler_exit") == device)
    #expect(slices("Irq Cpu") == device)
    #expect(count("softirq_entry") == run.number("interrupts", "softirqs"))
    #expect(slices("SoftIrq Cpu") == run.number("interrupts", "softirqs"))
    #expect(near(count("call_function_entry"), run.number("interrupts", "call_function")))
  }

  func locksAgree() {
    var locks: [String: (acquisitions: Int, contended: Int, wait: Double, hold: Double)] = [:]
    func total(_ lock: [String: Any], _ key: String) -> Double {
      ((lock[key] as? [String: Any])?["total"] as? NSNumber)?.doubleValue ?? -1
    }
    for lock in run.list("locks") {
      var sum = locks[lock.text("name")] ?? (0, 0, 0, 0)
      sum.acquisitions += lock.int("acquisitions")
      sum.contended += lock.int("contended")
      sum.wait += total(lock, "wait_ns")
      sum.hold += total(lock, "hold_ns")
      locks[lock.text("name")] = sum
    }
    for (name, lock) in locks {
      func row(_ lane: String) -> (n: Int, total: Double, cut: Int) {
        let row = rows[1].first { $0.text("lane") == lane && $0.text("name") == name }
        return (row?.int("n") ?? 0, Double(row?.int("total") ?? 0), row?.int("cut") ?? 0)
      }
      let (holds, waits) = (row("lock hold"), row("lock wait"))
      #expect(waits.n == lock.contended, "\(name)")
      #expect(holds.n <= lock.acquisitions && near(holds.n, lock.acquisitions), "\(name)")
      // Each end of a slice is rounded down to a nanosecond.
      if waits.cut == 0 { #expect(abs(waits.total - lock.wait) <= Double(waits.n) + 1, "\(name)") }
      if holds.cut == 0 { #expect(abs(holds.total - lock.hold) <= Double(holds.n) + 1, "\(name)") }
    }
    let names = rows[1].filter { $0.text("lane").hasPrefix("lock ") }.map { $0.text("name") }
    #expect(Set(names).isSubset(of: locks.keys))
  }

  func countersAgree() {
    let counters = Dictionary(
      uniqueKeysWithValues: rows[6].map { ($0.text("name"), $0.int("last")) })
    for zone in run.list("zones") {
      let name = "nr_free_pages node \(zone.int("node")) \(zone.text("zone"))"
      #expect(counters[name] == zone.int("free_pages"), "\(name)")
    }
    #expect(counters["vmap_lazy_nr"] == run.number("vmalloc", "lazy_pages"))
    let used = counters["vmap_used_pages"] ?? -1
    // Pages of an area that is being freed are still owned when its addresses are lazy.
    let lazy = run.number("vmalloc", "lazy_pages")
    #expect(used >= 0 && used + lazy >= run.number("vmalloc", "pages"))
    #expect((counters["vmap_highest_page"] ?? -1) >= used)
    #expect(counters["lazy_max_pages"] == run.number("vmalloc", "lazy_max_pages"))
    #expect(counters["nr_slabs"] == run.list("caches").reduce(0) { $0 + $1.int("slabs") })
    for cache in run.list("caches") where cache.int("slabs") > 0 {
      #expect(counters["nr_slabs \(cache.text("name"))"] == cache.int("slabs"))
    }
    #expect(rows[6].allSatisfy { ["pages", "slabs"].contains($0.text("unit")) })
  }

  // MARK: Against the Chrome file, by a JSON parser

  func chromeAgrees() throws {
    let events = try run.chromeEvents()
    var lanes: [Int: String] = [:]
    for event in events where event.text("name") == "thread_name" {
      lanes[event.int("tid")] = (event["args"] as? [String: Any])?.text("name")
    }
    var slices: [String: Sums] = [:]
    var counts: [String: Int] = [:]
    var byThread: [Int: [Range<Int>]] = [:]
    for event in events {
      let (start, length) = (nanoseconds(event, "ts"), nanoseconds(event, "dur"))
      counts["\(event.text("ph")) \(event.text("name"))", default: 0] += 1
      guard event.text("ph") == "X" else { continue }
      byThread[event.int("tid"), default: []].append(start..<start + length)
      guard event.text("cat") == "kmemu" else { continue }
      let lane = lanes[event.int("tid")] ?? ""
      slices["\(lane) \(event.text("name"))", default: Sums()].add(start, length)
    }
    #expect(byThread.values.allSatisfy(nest))
    for row in rows[7] {
      let sums = Sums(count: row.int("n"), duration: row.int("total"), places: row.int("places"))
      #expect(slices[row.text("name")] == sums, "\(row.text("name"))")
    }
    #expect(rows[7].count == slices.count)
    for row in rows[0] where !row.text("name").hasSuffix("_exit") {
      let name = row.text("name")
      let isPair = name.hasSuffix("_entry")
      guard name != "sched_switch" else { continue }
      #expect(counts["\(isPair ? "X" : "i") \(name)"] == row.int("n"), "\(name)")
    }
    for row in rows[6] { #expect(counts["C \(row.text("name"))"] == row.int("n")) }
    #expect(events.filter { $0.text("ph") == "C" }.count == rows[6].reduce(0) { $0 + $1.int("n") })
    #expect(counts["f arrow", default: 0] == rows[3][0].int("n"))
  }
}

private func nanoseconds(_ event: [String: Any], _ key: String) -> Int {
  Int((((event[key] as? NSNumber)?.doubleValue ?? 0) * 1000).rounded())
}

/// Whether no two of these overlap without one being inside the other.
private func nest(_ slices: [Range<Int>]) -> Bool {
  var open: [Int] = []
  let inOrder = slices.filter { !$0.isEmpty }.sorted {
    ($0.lowerBound, -$0.upperBound) < ($1.lowerBound, -$1.upperBound)
  }
  for slice in inOrder {
    while let last = open.last, last <= slice.lowerBound { open.removeLast() }
    if let last = open.last, slice.upperBound > last { return false }
    open.append(slice.upperBound)
  }
  return true
}

@Suite(.enabled(if: Reader.isHere)) struct TimelinesAndResults {
  @Test(arguments: TruthCase.all)
  func `timelines say what the result says`(of truth: TruthCase) throws {
    let evidence = try Evidence(truth.run())
    evidence.memoryAgrees()
    evidence.schedulingAgrees()
    evidence.callsAgree()
    evidence.interruptsAgree()
    evidence.locksAgree()
    evidence.countersAgree()
    try evidence.chromeAgrees()
  }
}
