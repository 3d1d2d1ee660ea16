import Hardware
import Simulation
import Testing

@testable import Kernel

/// Memory that grows: vrealloc, kvrealloc.
@Suite struct ReallocationTests {
  private let page: UInt64 = 4096

  /// Kernel: `vrealloc()` (mm/vmalloc.c; 6.12, 7.0): what the area's pages hold needs no new ones.
  @Test(arguments: ["6.12", "7.0"])
  func vreallocGrowsInItsPagesFirst(release: String) throws {
    let version = try #require(KernelVersion(named: release))
    var rig = try VmallocRig(cpus: 1, version: version)
    let old = rig.vmalloc(bytes: 3 * 4096)[0]
    #expect(vrealloc(&rig, old, 2 * page + 1) == old)
    #expect(vrealloc(&rig, old, 100) == old)
    #expect(vrealloc(&rig, old, 3 * page) == old)
    #expect(rig.areas.map(\.pages) == [3])
    let new = vrealloc(&rig, old, 3 * page + 1)
    #expect(new != old && rig.areas.map(\.start) == [new.raw] && rig.areas.map(\.pages) == [4])
    #expect(rig.lazy == 4)
    #expect(vrealloc(&rig, new, 0) == .null)
    #expect(rig.areas.isEmpty && rig.violations.isEmpty)
    #expect(rig.machine.world.vmalloc.reallocations.liveCount == 0)
  }

  /// Goal: vrealloc of NULL is vmalloc; of anything but an area it is the kernel's warning.
  @Test func vreallocOfWhatIsNoArea() throws {
    var rig = try VmallocRig(cpus: 1)
    let new = vrealloc(&rig, .null, page)
    #expect(rig.areas.map(\.start) == [new.raw])
    let object = rig.calls([.kmalloc(.start(size: 64, gfp: .kernel, node: .any))])[0].address
    #expect(vrealloc(&rig, object, page) == .null)
    rig.vfree([new])
    #expect(vrealloc(&rig, new, page) == .null)
    #expect(rig.violations == [.badAddress, .useAfterFree])
  }

  /// Kernel: `kvrealloc()` (mm/util.c; 5.15: a copy in new memory of kvmalloc; mm/slub.c; 6.12).
  @Test(arguments: ["5.15", "6.1", "6.12", "7.0"])
  func kvreallocChangesOverToVmallocAndStays(release: String) throws {
    let version = try #require(KernelVersion(named: release))
    var rig = try VmallocRig(cpus: 1, version: version)
    let isOld = version.vmalloc.reallocation == .byOldSize
    let first = kvrealloc(&rig, .null, 1000, was: 0)
    #expect(kvrealloc(&rig, first, 500, was: 1000) == first)
    // 1000 bytes are of kmalloc-1k: krealloc finds room for 1024, who goes by the old size does not.
    let second = kvrealloc(&rig, first, 1024, was: 1000)
    #expect((second == first) == !isOld)
    let area = kvrealloc(&rig, second, 6 << 20, was: 1024)
    #expect(isVmalloc(area, rig) == true)
    #expect(kvrealloc(&rig, area, 64, was: 6 << 20) == area)
    let grown = kvrealloc(&rig, area, 9 << 20, was: 6 << 20)
    #expect(grown != area && isVmalloc(grown, rig) == true)
    _ = rig.calls([.kvfree(.start(grown))])
    #expect(rig.areas.isEmpty && rig.violations.isEmpty)
    #expect(rig.machine.world.vmalloc.reallocations.liveCount == 0)
  }

  private func isVmalloc(_ address: Address, _ rig: borrowing VmallocRig) -> Bool {
    rig.machine.world.vmalloc.isVmalloc(address)
  }

  private func vrealloc(_ rig: inout VmallocRig, _ old: Address, _ bytes: UInt64) -> Address {
    let frame = Vrealloc.frame(old, bytes: bytes, gfp: .kernel, &rig.machine.world)
    return rig.calls([frame])[0].address
  }

  private func kvrealloc(
    _ rig: inout VmallocRig, _ old: Address, _ bytes: UInt64, was oldBytes: UInt64
  ) -> Address {
    let frame = Kvrealloc.frame(
      old, bytes: bytes, oldBytes: oldBytes, gfp: .kernel, &rig.machine.world)
    return rig.calls([frame])[0].address
  }
}

/// The way from any address to its page.
@Suite struct AddressWalkTests {
  @Test func linearMapAndVmallocSpace() throws {
    var rig = try VmallocRig(cpus: 1, version: .v6_13)
    let object = rig.calls([.kmalloc(.start(size: 64, gfp: .kernel, node: .any))])[0].address
    let linear = rig.machine.world.walk(object)
    let base = rig.machine.world.architecture.directMap.raw
    #expect(linear.region == .linearMap && linear.physical == object.raw - base)
    #expect(linear.leaf == .huge && linear.tablesRead == 3)

    let small = rig.vmalloc(bytes: 2 * 4096)[0]
    let second = rig.machine.world.walk(small + 4096 + 5)
    let frame = rig.machine.world.vmalloc.frame(of: small + 4096)
    #expect(second.frame == frame && second.physical == UInt64(frame.index) << 12 + 5)
    #expect(second.region == .vmalloc && second.leaf == .page && second.tablesRead == 4)
    let guardPage = rig.machine.world.walk(small + 2 * 4096)
    #expect(guardPage.region == .vmalloc && guardPage.frame.isNone)

    _ = rig.vmalloc(bytes: 2 << 20, flags: .allowsHuge)
    let huge = try #require(rig.areas.max { $0.pages < $1.pages })
    let inside = rig.machine.world.walk(Address(huge.start) + 7 * 4096)
    #expect(inside.leaf == .huge && inside.tablesRead == 3)
    #expect(inside.frame == rig.machine.world.walk(Address(huge.start)).frame + 7)
    for nowhere: UInt64 in [0, 4096, base - 1, base + 1 << 30, .max] {
      #expect(rig.machine.world.walk(Address(nowhere)).region == .other)
    }
  }

  /// Kernel: CONFIG_DEBUG_VIRTUAL (arch/x86/mm/physaddr.c, mm/vmalloc.c, 6.12).
  @Test func theWrongKindOfAddressIsReported() throws {
    var rig = try VmallocRig(cpus: 1)
    let object = rig.calls([.kmalloc(.start(size: 64, gfp: .kernel, node: .any))])[0].address
    let area = rig.vmalloc(bytes: 4096)[0]
    let right = rig.calls([
      .virtToPhys(.start(object, isPage: true)), .vmallocToPage(.start(area)),
    ])
    #expect(right.map(\.pfn).allSatisfy { !$0.isNone } && rig.violations.isEmpty)
    _ = rig.calls([.virtToPhys(.start(area, isPage: false))])
    #expect(rig.violations == [.badAddress])
    _ = rig.calls([.vmallocToPage(.start(object)), .vmallocToPage(.start(area + 4096))])
    #expect(rig.violations == [.badAddress, .badAddress, .badAddress])
  }
}
