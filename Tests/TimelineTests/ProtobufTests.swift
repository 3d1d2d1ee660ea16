import Simulation
import Testing

@testable import Timeline

/// The bytes of what `body` writes.
func encoded(_ body: (inout OutputBuffer) -> Void) -> [UInt8] {
  var output = OutputBuffer { _ in }
  body(&output)
  return output.bytes.lend(output.count) { $0.withUnsafeBufferPointer { Array($0) } }
}

@Suite struct ProtobufEncoding {
  /// A varint as the definition has it, a group at a time.
  private static func naive(_ value: UInt64) -> [UInt8] {
    var (rest, bytes) = (value, [UInt8]())
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  @Test func `a varint agrees with the definition at every length`() {
    for bits in 0..<UInt64(64) {
      let top = UInt64(1) << bits
      for value in [top, top - 1, top | 0x5555, UInt64.max >> bits] as [UInt64] {
        #expect(encoded { $0.varint(value) } == Self.naive(value), "\(value)")
      }
    }
  }

  @Test func `fields are tag and value`() {
    #expect(encoded { $0.field(1, 150) } == [0x08, 0x96, 0x01])
    #expect(encoded { $0.field(327, 1) } == [0xB8, 0x14, 0x01])
    #expect(encoded { $0.field(2, "testing") } == [0x12, 7] + Array("testing".utf8))
    #expect(encoded { $0.fixed(47, 258) } == [0xF9, 0x02, 2, 1, 0, 0, 0, 0, 0, 0])
  }

  @Test func `a nested message has a length of four bytes`() {
    let bytes = encoded { output in output.message(3) { $0.field(1, 150) } }
    #expect(bytes == [0x1A, 0x83, 0x80, 0x80, 0x00, 0x08, 0x96, 0x01])
  }

  @Test func `a kfree is this bundle`() throws {
    var recording = Recording(to: 1_000_000)
    recording.add(.kfree, at: 300, cpu: 1, a: 0xFFFF_8880_0000_1000)
    let written = try recording.write(.perfetto, table(cpus: 2), initiallyRunning: [0, 101])
    let event: [UInt8] =
      [0x08, 0xAC, 0x02, 0x10, 101, 0xD2, 0x12, 11]
      + [0x10, 0x80, 0xA0, 0x80, 0x80, 0x80, 0x90, 0xE2, 0xFF, 0xFF, 0x01]
    let bundle: [UInt8] = [0x08, 1, 0x12, UInt8(event.count)] + event
    let packet: [UInt8] =
      [0x0A, UInt8(bundle.count + 5) | 0x80, 0x80, 0x80, 0]
      + [0x0A, UInt8(bundle.count) | 0x80, 0x80, 0x80, 0] + bundle
    let found = written.bytes.indices.contains { written.bytes[$0...].starts(with: packet) }
    #expect(found)
  }

  @Test func `a GFP mask is printed as the kernel does`() {
    var gfp = GFPText([("GFP_KERNEL", 0xCC0), ("__GFP_ZERO", 0x100)])
    #expect(gfp.text(0xCC0) == "GFP_KERNEL")
    #expect(gfp.text(0xDC0) == "GFP_KERNEL|__GFP_ZERO")
    #expect(gfp.text(0x8000_0CC0) == "GFP_KERNEL|0x80000000")
    #expect(gfp.text(0) == "none")
  }

  @Test func `a block goes to the sink before the buffer grows without end`() throws {
    var recording = Recording(to: 1_000_000)
    for time in 0..<40_000 as Range<UInt64> { recording.add(.kfree, at: time, cpu: 0, a: .max) }
    var blocks: [Int] = []
    let end = Instant(picoseconds: 1_000_000_000)
    var writer = TimelineWriter(.perfetto, table(cpus: 1), window: .zero..<end) {
      blocks.append($0.count)
    }
    var probe = Probe()
    probe.start(from: .zero, to: end, selected: Buffer(0, 0))
    for record in recording.records {
      probe.note(record.event, at: record.time, cpu: 0, a: record.a)
      if probe.wantsDraining {
        try writer.consume(probe)
        probe.clear()
      }
    }
    try writer.consume(probe)
    try writer.finish(at: end)
    #expect(blocks.count > 2)
    #expect(blocks.allSatisfy { $0 < 400_000 })
  }
}

@Suite struct FormatChoice {
  @Test func `the suffix chooses`() throws {
    #expect(try TimelineFormat(path: "a/b.pftrace") == .perfetto)
    #expect(try TimelineFormat(path: "b.json") == .chrome)
  }

  @Test(arguments: ["a.dat", "a", "x.ftrace", ".pftrace.gz"])
  func `an unknown suffix gets an error that names the known ones`(path: String) {
    let error = #expect(throws: UnknownTimelineSuffix.self) { try TimelineFormat(path: path) }
    #expect(error?.description.contains(path) == true)
    #expect(error?.description.contains(".pftrace, .json") == true)
  }

  @Test func `what the sink throws ends the writing`() throws {
    struct DiskFull: Error {}
    let end = Instant(picoseconds: 1000)
    var writer = TimelineWriter(.chrome, table(cpus: 1), window: .zero..<end) { _ in
      throw DiskFull()
    }
    #expect(throws: DiskFull.self) { try writer.finish(at: end) }
  }
}
