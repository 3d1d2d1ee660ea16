import Foundation
import HostTopology
import Testing
import Topology

@Suite("Files and the host")
struct FileTests {
  @Test("a file that lstopo made")
  func lstopo() throws {
    let machine = try HostTopology.describe(MachineSource.parse(Corpus.own("two-packages.xml")))
    #expect(machine.source == "two-packages.xml")
    #expect((machine.cpus.count, machine.coreCount, machine.llcCount) == (16, 8, 4))
    #expect(machine.nodes.map(\.memoryBytes) == [8 << 30, 8 << 30])
    #expect(machine.cpus(of: \.llc, 3) == [12, 13, 14, 15])
  }

  @Test("a node without CPUs anywhere around it, with a sparse number")
  func memoryExpander() throws {
    let machine = try HostTopology.describe(.file(Corpus.own("memory-expander.xml")))
    #expect(machine.nodes.map(\.osNumber) == [0, 1, 4])
    #expect(machine.nodes.map(\.hasCPUs) == [true, true, false])
    #expect(machine.nodes[2].memoryBytes == 64 << 30)
    #expect(machine.nodes[2].locality.isEmpty)
    #expect(machine.distances == [[10, 21, 24], [21, 10, 14], [24, 14, 10]])
    #expect(machine.defaultsUsed.isEmpty)
  }

  @Test("the host has CPUs, memory and a distance of 10 to itself")
  func host() throws {
    let machine = try HostTopology.describe(.host)
    #expect(!machine.cpus.isEmpty)
    #expect(machine.memoryBytes > 0)
    #expect(machine.distances[0][0] == 10)
  }

  @Test("names are sorted into host, files and synthetic strings")
  func names() {
    #expect(MachineSource.parse("host") == .host)
    #expect(MachineSource.parse("no-such.xml") == .file("no-such.xml"))
    #expect(MachineSource.parse("/tmp") == .file("/tmp"))
    #expect(MachineSource.parse("core:2 pu:1") == .synthetic("core:2 pu:1"))
  }

  @Test("what is missing or no file is refused")
  func noFile() {
    #expect(code(.file("/no/such/file.xml")) == .fileMissing)
    #expect(code(.file("/tmp")) == .notAFile)
    #expect(code(.file("/dev/zero")) == .notAFile)
  }

  @Test("what is no hwloc XML is refused, up to 10 MB of noise")
  func noXML() throws {
    var noise: [UInt8] = []
    var state: UInt64 = 7
    while noise.count < 10 << 20 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      withUnsafeBytes(of: state) { noise.append(contentsOf: $0) }
    }
    #expect(try code(of: []) == .notHwlocXML)
    #expect(try code(of: noise) == .notHwlocXML)
    #expect(try code(of: Array("<".utf8) + noise) == .notHwlocXML)
    #expect(try code(of: Array("<?xml version=\"1.0\"?><html></html>".utf8)) == .notHwlocXML)
    #expect(try code(of: Array("<topology version=\"2.0\">".utf8)) == .notHwlocXML)
    #expect(try code(of: Array("<topology version=\"2.0\"/>".utf8)) == .inconsistentXML)
    #expect(try code(of: Array("<topology></topology>".utf8)) == .xmlVersion)
    let entity = "<!DOCTYPE topology [<!ENTITY a \"b\">]><topology version=\"2.0\"/>"
    #expect(try code(of: Array(entity.utf8)) == .notHwlocXML)
    let deep = String(repeating: "<object type=\"Group\">", count: 100_000)
    #expect(try code(of: Array(("<topology version=\"2.0\">" + deep).utf8)) != nil)
  }

  /// Goal: no file ends the process, whatever is wrong in it.
  /// Method: files that hwloc wrote, with values swapped, lines lost, doubled and cut. hwloc 2.9
  /// by itself dies of about one in two hundred of these.
  @Test("damaged files are read or refused", arguments: [1, 2, 3, 4] as [UInt64])
  func damaged(seed: UInt64) throws {
    var paths = ["two-packages.xml", "memory-expander.xml"].map(Corpus.own)
    paths += Corpus.readable.filter { $0.pu <= 20 }.map { Corpus.path($0.name) }
    for path in paths {
      let text = try String(contentsOfFile: path, encoding: .utf8)
      var damage = Damage(seed: seed)
      for _ in 0..<60 {
        _ = try code(of: damage.applied(to: text))
      }
    }
  }

  private func code(_ source: MachineSource) -> TopologyError.Code? {
    do {
      _ = try HostTopology.describe(source)
      return nil
    } catch {
      return error.code
    }
  }

  /// The error that a file with these bytes gives, nil when it is a machine.
  private func code(of bytes: [UInt8]) throws -> TopologyError.Code? {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("kmemu-\(UUID().uuidString).xml")
    try Data(bytes).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    return code(.file(url.path))
  }
}

/// A few random faults in a text.
struct Damage {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed &* 0x9E37_79B9_7F4A_7C15
  }

  private mutating func below(_ bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state % UInt64(bound))
  }

  mutating func applied(to text: String) -> [UInt8] {
    var lines = text.split(separator: "\n").map(String.init)
    for _ in 0...below(5) {
      let line = below(lines.count)
      switch below(6) {
      case 0: lines.remove(at: line)
      case 1: lines.insert(lines[line], at: below(lines.count))
      case 2: lines.swapAt(line, below(lines.count))
      case 3: swapValue(&lines[line], with: lines[below(lines.count)])
      case 4: mangle(&lines[line])
      default: if below(10) == 0 { lines.removeSubrange((line + 1)...) }
      }
      if lines.isEmpty { break }
    }
    return Array(lines.joined(separator: "\n").utf8)
  }

  private mutating func swapValue(_ line: inout String, with other: String) {
    let values = other.split(separator: "\"", omittingEmptySubsequences: false)
    var own = line.split(separator: "\"", omittingEmptySubsequences: false)
    guard values.count > 2, own.count > 2 else { return }
    let odd = 1 + 2 * below(own.count / 2)
    let extremes = ["0x0", "0xf...f", "-1", "4294967295", "18446744073709551615", "PU", "NUMANode"]
    own[odd] =
      below(2) == 0
      ? values[1 + 2 * below(values.count / 2)] : Substring(extremes[below(extremes.count)])
    line = own.joined(separator: "\"")
  }

  private mutating func mangle(_ line: inout String) {
    guard !line.isEmpty else { return }
    var bytes = Array(line.utf8)
    bytes[below(bytes.count)] = UInt8(32 + below(95))
    line = String(decoding: bytes, as: UTF8.self)
  }
}
