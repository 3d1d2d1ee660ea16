import Foundation
import Simulation
import Testing

@testable import Timeline

@Suite struct ChromeByAParser {
  private func events(_ bytes: [UInt8]) throws -> [[String: Any]] {
    let whole = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]
    return try #require(whole?["traceEvents"] as? [[String: Any]])
  }

  @Test(arguments: [1, 2] as [UInt64])
  func `it is JSON, and its counts are those of the records`(seed: UInt64) throws {
    let recording = storm(seed: seed, cpus: 8, count: 3_000)
    let written = try recording.write(.chrome, table(cpus: 8))
    let events = try events(written.bytes)
    func count(_ phase: String, _ name: String) -> Int {
      events.filter { $0.text("ph") == phase && $0.text("name") == name }.count
    }
    #expect(count("i", "kmalloc") == recording.count(.kmalloc))
    #expect(count("i", "alloc_vmap_area") == recording.count(.allocVmapArea))
    #expect(count("X", "irq_handler_entry") == recording.count(.irqEntry))
    #expect(count("X", "list_lock") == recording.count(.lockHold))
    #expect(count("C", "nr_free_pages node 0 Normal") == recording.count(.freePages))
    #expect(count("s", "arrow") == recording.count(.sendIPI))
    #expect(count("f", "arrow") == written.arrows)
    let running = events.filter { $0.text("ph") == "X" && $0.text("cat") == "sched" }
    #expect(running.count == recording.count(.schedSwitch) + 8)
    let time = running.reduce(0.0) { $0 + (($1["dur"] as? NSNumber)?.doubleValue ?? 0) }
    #expect((time * 1000).rounded() == Double(recording.to - recording.from) * 8)
  }

  @Test func `nanoseconds survive and what must be escaped is`() throws {
    var recording = Recording(to: 2_000_000)
    recording.add(
      .lockHold, at: 1_234_007, cpu: 0, a: Name.kmalloc64.rawValue, b: 0xCC0,
      c: Name.eth0.rawValue | 0xFFFF_FFFF << 32)
    recording.add(.lockRelease, at: 1_234_012, picoseconds: 999, cpu: 0)
    recording.add(.kfree, at: 1_500_000, cpu: 0, a: 0xFFFF_8880_0000_1000)
    let bytes = try recording.write(.chrome, table(cpus: 1)).bytes
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains(#""dur":0.005,"ts":1234.007"#))
    #expect(text.contains(#""ptr":"0xffff888000001000""#))
    let slice = try #require(try events(bytes).first { $0.text("cat") == "lock" })
    #expect(slice.text("name") == Name.kmalloc64.text)
    let arguments = try #require(slice["args"] as? [String: Any])
    #expect(arguments.text("gfp") == "GFP_KERNEL")
    #expect(arguments.text("cache") == "eth0")
    #expect(arguments.int("depth") == -1)
  }

  @Test func `slices of different keys are on threads of their own`() throws {
    var recording = Recording(to: 1_000)
    recording.add(.function, at: 100, cpu: 0, a: 0, b: 1, c: 3)
    recording.add(.function, at: 200, cpu: 0, a: 1, b: 2)
    recording.add(.functionEnd, at: 400, cpu: 0, a: 0, b: 1, c: 7)
    recording.add(.functionEnd, at: 600, cpu: 0, a: 1, b: 2)
    let all = try events(try recording.write(.chrome, table(cpus: 1)).bytes)
    let slices = all.filter { $0.text("cat") == "kmemu" }
    #expect(slices.map { $0.text("name") } == ["list_lock", "zone->lock"])
    #expect(Set(slices.map { $0.int("tid") }).count == 2)
    let arguments = try #require(slices[0]["args"] as? [String: Any])
    #expect(arguments.int("order") == 3 && arguments.int("ret") == 7)
    for slice in slices {
      let name = all.first { $0.text("name") == "thread_name" && $0.int("tid") == slice.int("tid") }
      #expect((name?["args"] as? [String: Any])?.text("name") == "CPU 0 kernel")
    }
  }

  @Test(arguments: [0, 1, 9, 10, 99, 12_345, .max] as [UInt64])
  func `numbers are printed as they are`(value: UInt64) {
    #expect(encoded { $0.decimal(value) } == Array("\(value)".utf8))
    #expect(encoded { $0.hexadecimal(value) } == Array(("0x" + String(value, radix: 16)).utf8))
    let signed = Int64(bitPattern: value)
    #expect(encoded { $0.decimal(signed) } == Array("\(signed)".utf8))
  }

  @Test func `control characters are escaped`() {
    #expect(jsonString("a\"b\\c\nd\u{1}é") == #""a\"b\\c\nd\u0001é""#)
  }
}

@Suite(.enabled(if: Reader.isHere)) struct ChromeByPerfettosReader {
  @Test(arguments: [5, 6] as [UInt64])
  func `slices nest and are closed, arrows join them`(seed: UInt64) throws {
    let recording = storm(seed: seed, cpus: 8, count: 3_000)
    let written = try recording.write(.chrome, table(cpus: 8))
    let reader = try Reader(written.bytes, .chrome)
    defer { reader.remove() }
    let rows = try reader.rows([
      "select count(*) n, sum(dur < 0) open from slice",
      "select count(*) n from flow",
      "select count(*) n from slice a join slice b on a.track_id = b.track_id and a.id < b.id "
        + "and a.ts < b.ts and b.ts < a.ts + a.dur and b.ts + b.dur > a.ts + a.dur",
      "select count(*) n from slice where name = 'list_lock'",
      "select count(*) n from counter",
      "select a.name sender, b.name target from flow join slice a on a.id = slice_out "
        + "join slice b on b.id = slice_in group by sender, target",
    ])
    #expect(rows[0][0].int("open") == 0)
    #expect(rows[1][0].int("n") == written.arrows)
    #expect(rows[2][0].int("n") == 0)
    #expect(rows[3][0].int("n") == recording.count(.lockHold))
    #expect(rows[4][0].int("n") == recording.count(.freePages) + recording.count(.pcpCount))
    #expect(rows[5].map { $0.text("sender") + " to " + $0.text("target") } == ["send to flush"])
  }
}
