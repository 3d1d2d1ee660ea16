import Foundation
import Hardware
import Simulation
import Testing

@testable import Kernel

/// The operation lists `slab_*` of Linux 6.12.117, performed here and compared figure by figure.
///
/// Source: ground truth recordings open/6.12-8c2n and open/6.12-16c4n, each from three boots. Only
/// some machines have them. Compared: `result`, `param`, `slab`, page_alloc and page_free, where
/// all boots agreed.
@Suite struct SlabRecordedTests {
  static let lists = [
    "slab_fill", "slab_free_fifo", "slab_free_remote", "slab_cpu_partial_256",
    "slab_cpu_partial_64_remote", "slab_min_partial", "slab_numa_node", "slab_orders",
    "slab_contexts", "slab_producer_consumer", "slab_two_caches_cpu_spread", "slab_random",
  ]

  @Test("answers as the recorded kernel did", arguments: ["6.12-8c2n", "6.12-16c4n"], lists)
  func replay(configuration: String, list: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("../shared/groundtruth/open/\(configuration)")
    let url = folder.appendingPathComponent("\(list).vec").standardizedFileURL
    guard let text = try? String(contentsOf: url, encoding: .utf8) else {
      print("skipped: no recording at \(url.path)")
      return
    }
    var replay = try Replay(eightCPUs: configuration == "6.12-8c2n")
    for line in text.split(separator: "\n") {
      if line.hasPrefix("op ") { try replay.perform(line) }
      if line.hasPrefix(" = ") { replay.compare(line.dropFirst(3)) }
    }
    replay.closeStep()
    let (differences, figures) = (replay.differences, replay.figures)
    #expect(differences == [], "\(list): \(differences.count) of \(figures) figures differ")
    #expect(figures > 10)
  }

  struct Replay: ~Copyable {
    var runner: PathRunner
    var caches: [String: CacheID] = [:]
    var sets: [String: [Address]] = [:]
    var answers: [String: String] = [:]
    var seen: Set<String> = []
    var step = ""
    var figures = 0
    var differences: [String] = []

    init(eightCPUs: Bool) throws {
      runner = try eightCPUs ? PathRunner(cpus: 8, nodes: 2) : PathRunner(cpus: 16, nodes: 4)
    }

    mutating func perform(_ line: Substring) throws {
      closeStep()
      step = String(line)
      var fields: [String: String] = [:]
      let words = line.split(separator: " ").dropFirst(2)
      for word in words.dropFirst() {
        let pair = word.split(separator: "=", maxSplits: 1)
        fields[String(pair[0])] = pair.count > 1 ? String(pair[1]) : ""
      }
      (runner.pagesTaken, runner.pagesGiven, answers, seen) = ([:], [:], [:], [])
      switch words.first {
      case "cache": try makeCache(fields)
      case "alloc": allocate(fields)
      case "free": free(fields)
      case "shrink":
        let cache = try #require(caches[fields["cache"] ?? ""])
        _ = runner.call(.kmemCacheShrink(.start(cache)), on: 0)
        result(got: 0)
      case "destroy":
        let gone = caches.removeValue(forKey: fields["cache"] ?? "")
        let cache = try #require(gone)
        _ = runner.call(.kmemCacheDestroy(.start(cache)), on: 0)
        // The thread that destroys was not among those whose events were recorded.
        (runner.pagesTaken, runner.pagesGiven) = ([:], [:])
      default: Issue.record("\(line): not known to this test")
      }
      let complaints = runner.world.complaints.raised.count
      #expect(complaints == 0)
      readState()
    }

    private mutating func makeCache(_ fields: [String: String]) throws {
      let name = fields["cache"] ?? ""
      var flags: SlabFlags = []
      let words = (fields["flags"] ?? "").split { $0 == "," || $0 == "|" || $0 == "+" }
      for word in words {
        switch word {
        case "hw": flags.insert(.hwCacheAlign)
        case "rcl": flags.insert(.reclaimAccount)
        case "rcu": flags.insert(.typesafeByRCU)
        case "ctor": flags.insert(.constructor)
        default: Issue.record("flag \(word)")
        }
      }
      let id = try runner.makeCache(
        name, size: Int(fields["size"] ?? "") ?? 0, align: Int(fields["align"] ?? "") ?? 0,
        flags: flags)
      caches[name] = id
      let sizing = runner.world.slab.caches[id].sizing
      answers["result.size"] = "\(sizing.objectSize)"
      answers["param.object_size"] = "\(sizing.objectSize)"
      answers["param.slab_size"] = "\(sizing.size)"
      answers["param.objs_per_slab"] = "\(sizing.objects)"
      answers["param.order"] = "\(sizing.order.index)"
      answers["param.cpu_partial"] = "\(sizing.cpuPartial)"
      answers["param.min_partial"] = "\(sizing.minPartial)"
      answers["param.align"] = "\(sizing.align)"
    }

    private mutating func allocate(_ fields: [String: String]) {
      guard let cache = caches[fields["cache"] ?? ""], let set = fields["set"] else { return }
      var gfp = GFPFlags.kernel
      for word in (fields["gfp"] ?? "KERNEL").split(separator: "|") {
        if word == "ATOMIC" { gfp = .atomic }
        if word == "THISNODE" { gfp.insert(.thisNode) }
      }
      let node = fields["node"].flatMap { Int($0) }.map { NodeID($0) } ?? .any
      let count = Int(fields["n"] ?? "") ?? 1
      for _ in 0..<count {
        let object = runner.allocate(
          cache, gfp: gfp, node: node, on: Int(fields["cpu"] ?? "") ?? 0)
        sets[set, default: []].append(object)
      }
      result(got: count, held: set)
    }

    private mutating func free(_ fields: [String: String]) {
      guard let set = fields["set"], var objects = sets[set] else { return }
      let cpu = Int(fields["cpu"] ?? "") ?? 0
      let count = Int(fields["n"] ?? "") ?? objects.count
      var freed: [Address] = []
      switch fields["order"] ?? "lifo" {
      case "fifo":
        freed = Array(objects.prefix(count))
        objects.removeFirst(count)
      case "stride":
        let (from, stride) = (Int(fields["from"] ?? "") ?? 0, Int(fields["stride"] ?? "") ?? 1)
        let places = (0..<count).map { from + $0 * stride }
        freed = places.map { objects[$0] }
        for place in places.reversed() { objects.remove(at: place) }
      case "rand":
        var x = UInt64(fields["seed"] ?? "") ?? 0
        for place in Swift.stride(from: objects.count - 1, to: 0, by: -1) {
          x = x &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          objects.swapAt(place, Int((x >> 33) % UInt64(place + 1)))
        }
        fallthrough
      default:
        freed = Array(objects.suffix(count).reversed())
        objects.removeLast(count)
      }
      for object in freed { runner.free(object, on: cpu) }
      sets[set] = objects
      result(got: freed.count, held: set)
    }

    private mutating func result(got: Int, held set: String? = nil) {
      (answers["result.got"], answers["result.fail"]) = ("\(got)", "0")
      guard let set, let objects = sets[set] else { return }
      answers["result.held"] = "\(objects.count)"
      let nodes = objects.compactMap { runner.world.slab.node(of: $0)?.index }
      for node in Set(nodes) {
        answers["result.n\(node)"] = "\(nodes.count { $0 == node })"
      }
      let slabs = Set(objects.compactMap { runner.world.slab.slab(of: $0) })
      if !objects.isEmpty { answers["result.in_slabs"] = "\(slabs.count)" }
    }

    private mutating func readState() {
      for (name, cache) in caches {
        for (file, text) in runner.world.slab.figures(of: cache).files {
          answers["slab.\(name).\(file)"] = text
        }
        let type = runner.world.slab.caches[cache].flags.contains(.reclaimAccount) ? 2 : 0
        for (order, count) in runner.pagesTaken {
          answers["ev.page_alloc.o\(order).m\(type)"] = "\(count)"
        }
      }
      for (order, count) in runner.pagesGiven { answers["ev.page_free.o\(order)"] = "\(count)" }
    }

    mutating func compare(_ line: Substring) {
      let pair = line.split(separator: " ", maxSplits: 1)
      let (key, recorded) = (String(pair[0]), String(pair.count > 1 ? pair[1] : ""))
      let isCore = ["result.", "param.", "slab.", "ev.page_alloc.", "ev.page_free."].contains {
        key.hasPrefix($0)
      }
      guard isCore else { return }
      figures += 1
      seen.insert(key)
      let answer = answers[key] ?? "nothing"
      if answer != recorded { differences.append("\(step): \(key) \(answer), not \(recorded)") }
    }

    /// Pages that came or went without being recorded are a difference too.
    mutating func closeStep() {
      for (key, value) in answers where key.hasPrefix("ev.page_") && !seen.contains(key) {
        differences.append("\(step): \(key) \(value), not recorded")
      }
      answers = [:]
    }
  }
}
