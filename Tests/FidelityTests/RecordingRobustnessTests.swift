import Kernel
import Simulation
import Testing

@testable import Run

/// Whatever a file holds, it is compared or refused with a place; it never ends the process.
@Suite struct RecordingRobustnessTests {
  static let header =
    "# x: a list\n# kernel 6.12.1; 2 CPUs, 1 nodes (CPUs 0-1), 1 GiB; 1 boots; 0 figures\n"

  @Test(arguments: [
    ("op 1 alloc cpu=0 cache=nobody n=1 set=a", RecordingError.Code.badOperation),
    ("op 1 free cpu=0 set=nobody", .badOperation), ("op 1 touch cpu=0 set=nobody", .badOperation),
    ("op 1 alloc cpu=7 cache=c n=1 set=a", .badOperation), ("op x alloc", .badList),
    ("op 1 pages cpu=7 order=0 n=1 set=a", .badOperation),
    ("op 1 destroy cache=c", .badOperation),
    ("op 1 pages cpu=0 order=11 n=1 set=a", .badOperation),
    ("op 1 pages cpu=0 order=0 n=-1 set=a", .badOperation),
    ("op 1 pages cpu=0 order=0 n=99999999999999999999 set=a", .badOperation),
    ("op 1 pages cpu=0 order=0 n=1", .badOperation),
    ("op 1 pages cpu=0 order=0 gfp=NOSUCH set=a", .badOperation),
    ("op 1 pages cpu=0 order=0 ctx=nmi set=a", .badOperation),
    ("op 1 pages cpu=0 order=0 node=3 set=a", .badOperation),
    ("op 1 cache cache=c size=0", .badOperation), ("op 1 cache size=64", .badOperation),
    ("op 1 cache cache=c size=64 align=3", .badOperation),
    ("op 1 cache cache=c size=64 flags=new", .badOperation),
    ("op 1 free cpu=0 set=a order=sorted", .badOperation),
    ("op 1 free cpu=0 set=a order=stride stride=0", .badOperation),
    ("op 1 sysctl vm/x", .badOperation), ("op 1 settle n=999999999", .badOperation),
    (" = result.got 1", .badList), ("hello", .badList), ("", .badList), ("op 1", .badList),
  ])
  func badListsAreRefused(operation: String, code: RecordingError.Code) {
    let error = #expect(throws: RecordingError.self) {
      try Verifier().compare(Recording(file: "x.vec", text: Self.header + operation + "\n"))
    }
    #expect(error?.code == code, "\(operation): \(String(describing: error))")
  }

  @Test(arguments: [
    "", "# kernel\n", "# kernel 6.12; CPUs\n", "# kernel 6.12; 0 CPUs, 1 nodes, 3 GiB\n",
    "# kernel 6.12; 9999999 CPUs, 1 nodes, 3 GiB\n", "# kernel 6.12; 8 CPUs, 3 nodes, 3 GiB\n",
    "# kernel x; 8 CPUs, 2 nodes, 3 GiB\n",
    "# kernel 6.12; 8 CPUs, 2 nodes (CPUs 0-3, 3-7), 0 GiB\n",
  ])
  func badHeadersAreRefused(header: String) {
    #expect(throws: RecordingError.self) {
      try OperationList(parsing: header + "op 1 purge\n", file: "x.vec")
    }
  }

  @Test func anUnknownKernelNamesThoseThereAre() {
    let header = "# kernel 2.6.9; 2 CPUs, 1 nodes (CPUs 0-1), 1 GiB; 1 boots\n"
    let error = #expect(throws: RecordingError.self) {
      try Verifier().compare(Recording(file: "x.vec", text: header + "op 1 purge\n"))
    }
    #expect(error?.code == .kernelUnknown)
    #expect(error?.hint.contains("2.6.24 to") == true)
  }

  /// Lists, parameters and zones with bytes changed, lines lost and lines doubled at random.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func mutatedRecordingsNeverTrap(seed: UInt64) {
    var stream = RandomStream(seed: seed, name: "mutation", index: 0)
    let zoneInfo = """
      Node 0, zone   Normal
        pages free     3712
              min      8
              managed  3840
        pagesets
          cpu: 0
                    count: 0
                    high:  0
                    batch: 1
      """
    let samples: [(String, String)] = [
      ("x.vec", OperationListTests.copies[0].text), ("x.vec", OperationListTests.copies[3].text),
      ("slab_params.csv", VerifyParameterTests.copied), ("zoneinfo", zoneInfo),
    ]
    for (file, text) in samples {
      let mutated = Self.mutate(text, &stream)
      do throws(RecordingError) {
        _ = try Verifier(kernel: "6.12").compare(
          Recording(file: file, text: mutated, folderName: "6.12-2c1n"))
      } catch {
        #expect(!error.message.isEmpty && !error.hint.isEmpty)
      }
    }
  }

  private static func mutate(_ text: String, _ stream: inout RandomStream) -> String {
    var bytes = Array(text.utf8)
    for _ in 0..<8 {
      let place = Int(stream.next() % UInt64(bytes.count))
      switch stream.next() % 4 {
      case 0: bytes[place] = UInt8(truncatingIfNeeded: stream.next())
      case 1: bytes.remove(at: place)
      case 2: bytes.insert(UInt8(ascii: "9"), at: place)
      default: bytes.removeSubrange(place..<min(place + 40, bytes.count - 1))
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func ordersOfFreeing() {
    var set = Array(0..<6)
    #expect(FreeOrder.stride(from: 0, step: 4).take(2, from: &set) == [0, 4])
    #expect(set == [1, 2, 3, 5])
    #expect(FreeOrder.lifo.take(1, from: &set) == [5])
    #expect(FreeOrder.fifo.take(2, from: &set) == [1, 2])
    #expect(FreeOrder.fifo.take(nil, from: &set) == [3])
    #expect(FreeOrder.random(seed: 7).take(9, from: &set).isEmpty)
    var many = Array(0..<100)
    let taken = FreeOrder.random(seed: 7).take(60, from: &many)
    #expect(Set(taken + many) == Set(0..<100))
    #expect(taken != Array((40..<100).reversed()))
  }
}
