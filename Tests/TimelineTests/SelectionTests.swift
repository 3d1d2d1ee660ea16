import Foundation
import Testing

/// The rows of a timeline that no reader's numbering is part of: what happened, when and where.
/// Between two times, in nanoseconds, and on some CPUs.
private func contents(from: Int = 0, to: Int = .max, cpus: [Int]? = nil) -> [String] {
  let list = (cpus ?? []).map(String.init).joined(separator: ",")
  let here = cpus == nil ? "1" : "ucpu in (\(list))"
  let names = (cpus ?? []).map { "'CPU \($0)'" }.joined(separator: ",")
  let there = cpus == nil ? "1" : "c.name in (\(names))"
  let arguments = """
    (select group_concat(key || '=' || coalesce(display_value, '')) from
      (select key, display_value from args a where a.arg_set_id = x.arg_set_id order by key)) args
    """
  return [
    """
    select ts, ucpu, name, \(arguments) from ftrace_event x
    where name != 'sched_switch' and ts >= \(from) and ts < \(to) and \(here)
    order by ts, ucpu, name, args
    """,
    """
    select x.ts, x.dur, c.name cpu, t.name lane, x.name, \(arguments) from slice x
    join track t on t.id = x.track_id join track c on c.id = t.parent_id
    where x.ts >= \(from) and x.ts + x.dur < \(to) and \(there) order by 1, 2, 3, 4, 5, 6
    """,
    """
    select ts, ts + dur end, ucpu, t.name from sched_slice join thread t using (utid)
    where ts > \(from) and ts + dur < \(to) and dur > 0 and \(here) order by 1, 2, 3
    """,
    """
    select ts, t.name, value from counter c join counter_track t on t.id = c.track_id
    where ts > \(from) and ts < \(to) order by ts, t.name, c.id
    """,
    """
    select a.ts, b.ts arrival, c.name cpu from flow join slice a on a.id = slice_out
    join slice b on b.id = slice_in join track t on t.id = b.track_id
    join track c on c.id = t.parent_id join track s on s.id = a.track_id
    join track o on o.id = s.parent_id where a.ts >= \(from) and b.ts + b.dur < \(to) and \(there)
    and \(there.replacing("c.name", with: "o.name")) order by 1, 2, 3
    """,
  ]
}

private func text(_ rows: [[String: Any]]) -> [String] {
  rows.map { row in
    row.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }
}

/// Says where two lists differ first.
private func expectEqual(_ a: [[String: Any]], _ b: [[String: Any]], _ what: String) {
  let (first, second) = (text(a), text(b))
  guard first != second else { return }
  let place = zip(first, second).enumerated().first { $0.element.0 != $0.element.1 }
  Issue.record(
    "\(what): \(first.count) and \(second.count) rows; \(place.map { "\($0)" } ?? "one is longer")")
}

private let kinds = ["tracepoints", "slices", "scheduling", "counters", "arrows"]

@Suite(.enabled(if: Reader.isHere)) struct TimelineSelections {
  private static let cases = [TruthCase.all[0], TruthCase.all[1], TruthCase.all[3]]

  /// A CPU that runs ahead of the queue notes its records before those of others that are earlier.
  @Test(arguments: TruthCase.all.filter { $0.scenario != "vmalloc-shootdown" })
  func `running ahead of the queue shows nowhere`(of truth: TruthCase) throws {
    let ahead = try truth.run()
    let inOrder = try truth.run(["--no-run-ahead"])
    #expect(try ahead.comparable(without: ["events"]) == inOrder.comparable(without: ["events"]))
    #expect(try ahead.chromeLines() == inOrder.chromeLines())
    // What the other file holds is the same, which the reader is asked of two runs only.
    guard [purges, "nic-atomic"].contains(truth.scenario) else { return }
    let first = try Reader(path: ahead.perfetto).rows(contents())
    let second = try Reader(path: inOrder.perfetto).rows(contents())
    for (number, kind) in kinds.enumerated() { expectEqual(first[number], second[number], kind) }
    #expect(first[1].count > 5)
  }

  /// A time at which no interrupt runs: the end of one that began before is not in a window either.
  private static func quietTime(in path: String, from first: Int) throws -> Int {
    let query = """
      select ts, name like '%_entry' begins from ftrace_event
      where name like '%_entry' or name like '%_exit' order by ts, begins
      """
    let rows = try Reader(path: path).rows([query])[0]
    var open = 0
    for (row, next) in zip(rows, rows.dropFirst()) {
      open += row.int("begins") == 1 ? 1 : -1
      if open == 0, row.int("ts") > first, next.int("ts") > row.int("ts") + 8 {
        return row.int("ts") + 7
      }
    }
    return first + 7
  }

  @Test(arguments: cases)
  func `a window shows what the whole shows there`(of truth: TruthCase) throws {
    let whole = try truth.run()
    let length = whole.number("time_ns")
    let from = try Self.quietTime(in: whole.perfetto, from: length / 3)
    let to = from + length / 4
    let part = try truth.run(["--trace-from", "\(from)ns", "--trace-for", "\(to - from)ns"])
    #expect(try whole.comparable() == part.comparable())
    // Slices that begin before the window are not in it, and what is open at its end is cut there.
    let all = contents(from: from, to: to)
    let first = try Reader(path: whole.perfetto).rows(
      all + [
        "select t.name, (select value from counter d where d.track_id = t.id and d.ts < \(from) "
          + "order by id desc limit 1) first from counter_track t where first is not null "
          + "order by 1"
      ])
    let second = try Reader(path: part.perfetto).rows(
      all + [
        "select ucpu, sum(max(dur, 0)) total, min(ts) first from sched_slice group by ucpu",
        "select sum(dur < 0 or ts < \(from) or ts + dur > \(to)) n from slice",
        "select t.name, (select value from counter d where d.track_id = t.id order by id limit 1) "
          + "first from counter_track t order by 1",
      ])
    for (number, kind) in kinds.enumerated() { expectEqual(first[number], second[number], kind) }
    #expect(first[0].count > 10)
    for row in second[5] { #expect(row.int("total") == to - from && row.int("first") == from) }
    #expect(second[5].count == whole.number("machine", "cpus"))
    #expect(second[6][0].int("n") == 0)
    // Counters begin with what they were.
    let before = first[5]
    let later = second[7].filter { row in before.contains { $0.text("name") == row.text("name") } }
    expectEqual(before, later, "counters at the window's start")
    #expect(before.count > 3)
  }

  @Test(arguments: cases)
  func `selected CPUs show what they show in the whole`(of truth: TruthCase) throws {
    let whole = try truth.run()
    let part = try truth.run(["--trace-cpus", "1,3"])
    #expect(try whole.comparable() == part.comparable())
    let first = try Reader(path: whole.perfetto).rows(contents(cpus: [1, 3]))
    let second = try Reader(path: part.perfetto).rows(
      contents() + ["select distinct ucpu from sched_slice order by 1"])
    for (number, kind) in kinds.enumerated() { expectEqual(first[number], second[number], kind) }
    #expect(second[5].map { $0.int("ucpu") } == [1, 3])
    #expect(truth.scenario != purges || second[4].count > 2)
  }

  @Test func `tracing changes no figure`() throws {
    for truth in Self.cases {
      let settings = truth.duration.map { ["--set", "run.duration=\($0)"] } ?? []
      let traced = try truth.run()
      let plain = try TracedRun.untraced(
        truth.scenario, on: truth.machine, ["--set", "run.warmup=0us"] + settings)
      #expect(try traced.comparable() == plain)
    }
  }

  @Test func `4,096 CPUs of a real run load, those above 1,023 as machines of their own`() throws {
    let run = try TracedRun(
      "kmalloc-storm", on: "package:8 numa:2 l3:8 core:16 pu:2",
      ["run.warmup=0us", "run.duration=8us"])
    let rows = try Reader(path: run.perfetto).rows([
      "select count(*) n from (select ucpu from sched_slice group by ucpu "
        + "having sum(max(dur, 0)) = 8000)",
      "select c.machine_id machine, count(*) n, count(distinct c.cpu) cpus from ftrace_event f "
        + "join cpu c using (ucpu) where f.name in ('kmalloc', 'kfree') group by 1 order by 1",
      "select count(*) n from slice where dur < 0",
      "select sum(name like 'storm/%') n from thread",
    ])
    #expect(rows[0][0].int("n") == 4096)
    #expect(rows[1].count == 4)
    let events = rows[1].reduce(0) { $0 + $1.int("n") }
    let caches = run.list("caches").compactMap { $0["stats"] as? [String: Int] }
    let slow = caches.reduce(0) {
      $0 + $1["alloc_fastpath", default: 0] + $1["alloc_slowpath", default: 0]
        + $1["free_fastpath", default: 0] + $1["free_slowpath", default: 0]
    }
    #expect(abs(events - slow) <= 4096)
    #expect(events > 2048)
    #expect(rows[2][0].int("n") == 0)
    #expect(rows[3][0].int("n") == 4096)
    let events4096 = try run.chromeEvents()
    #expect(events4096.filter { ["kmalloc", "kfree"].contains($0.text("name")) }.count == events)
  }

  @Test func `an interrupted run's timelines end where the run did`() throws {
    let run = try TracedRun(
      "nic-atomic", on: "package:1 pu:2", ["run.duration=10s", "run.warmup=0us"],
      interruptedAfter: 1)
    #expect(run.result["ended"] as? String == "interrupted")
    let end = run.number("time_ns")
    let rows = try Reader(path: run.perfetto).rows([
      "select ucpu, sum(max(dur, 0)) total from sched_slice group by 1",
      "select sum(dur < 0 or ts + dur > \(end)) n, count(*) slices from slice",
    ])
    #expect(rows[0].map { $0.int("total") } == [end, end])
    #expect(rows[1][0].int("n") == 0)
    #expect(rows[1][0].int("slices") > 10)
    #expect(try run.chromeEvents().count > rows[1][0].int("slices"))
  }

  /// Threads, locks and caches that come to exist while a run is traced.
  @Test func `what is made during a run has its name`() throws {
    let run = try TruthCase.all[0].run()
    let rows = try Reader(path: run.perfetto).rows([
      "select name from thread where name like 'kworker/%'",
      "select distinct name from slice where name like 'pcp->lock node % cpu %'",
      "select name from counter_track where name like 'nr_slabs vmap_area'",
      "select name from thread where name = '<...>'",
    ])
    #expect(rows[1].count >= 2)
    #expect(rows[2].count == 1)
    #expect(rows[3].isEmpty)
    let drained = try TruthCase.all[4].run()
    let names = try Reader(path: drained.perfetto).rows([
      "select name from thread where name like 'kworker/%'",
      "select ret.display_value purged from slice s join args ret using (arg_set_id) "
        + "where s.name = '__purge_vmap_area_lazy' and ret.key = 'debug.ret'",
    ])
    #expect(names[0].map { $0.text("name") } == ["kworker/0:0"])
    #expect(!names[1].isEmpty)
  }
}
