import Hardware
import Simulation

/// What the program tells the table of call sites, and what that says of leaks.
extension World {
  /// An allocation of the table at `op` has answered.
  @inline(never)
  mutating func noteSite(
    _ op: Int32, _ address: Address, _ id: ID<ProgramState.Activation>, on cpu: CPUID
  ) {
    let allocation = program.allocations[Int(op)]
    // A sheaf is no object, but holds some for later.
    guard allocation.api != .prefillSheaf else { return }
    guard address != .null else { return program.sites.failed(site: allocation.site) }
    var size: UInt64 = 0
    if case .constant(let bytes) = program.distributions[Int(allocation.size)] {
      size = bytes
    } else {
      size = program.sites.asked(by: id)
    }
    switch allocation.api {
    case .allocPages: size = UInt64(architecture.pageSize) << min(size, 20)
    case .kmemCacheAlloc, .allocFromSheaf: size = UInt64(slab.size(of: address))
    default: size = size.multipliedReportingOverflow(by: allocation.count).partialValue
    }
    let usable = slab.size(of: address)
    // Pages, or areas, come from no CPU's objects.
    if slab.slab(of: address) == nil { noteSlowAllocation(on: cpu) }
    let page = UInt64(architecture.pageSize)
    program.sites.allocated(
      address, site: allocation.site, size: size,
      given: usable > 0 ? slab.taken(by: address) : Int((size + page - 1) / page * page),
      way: CallSites.Way(rawValue: cpus[cpu].allocationWay) ?? .fast,
      took: now - program.activations[id].began, on: cpu, at: now)
  }
}

extension Machine {
  /// Reports what the workload allocated, did not free, and no longer knows: a violation for each
  /// call site. Complexity: O(objects).
  ///
  /// Kernel: kmemleak's "unreferenced object" (mm/kmemleak.c, 6.12). Not modelled: its scan and the
  /// age that an object must have.
  package mutating func reportLeaks() {
    for leak in leaks where leak.objects > 0 {
      world.complaints.add(
        Violation(
          kind: .leak, headline: "kmemleak: unreferenced object", cpu: 0, time: now,
          context: "at the end of the run", path: [leak.site],
          message: "\(leak.objects) unreferenced object\(leak.objects == 1 ? "" : "s") of "
            + "\(leak.bytes) bytes from \(leak.site), the oldest \(leak.age.picoseconds / 1_000_000) us "
            + "old. Free them where their last pointer goes."))
    }
  }

  package struct Leak: Sendable {
    package var site: String
    package var objects = 0
    /// As asked for. Unit: bytes.
    package var bytes: UInt64 = 0
    package var age = Duration.zero
  }

  /// Objects of each call site that nothing holds: no slot, no hand-over on its way.
  package var leaks: [Leak] {
    let names = world.program.siteNames
    guard world.program.sites.isOn else { return [] }
    var held = Set<UInt64>()
    for slot in 0..<world.program.slots.count {
      held.insert(world.program.slots[slot].address.raw)
    }
    for mail in 0..<world.program.messages.highWater {
      let message = world.program.messages[ID<ProgramState.Message>(mail)]
      for place in 0..<Int(message.count) { held.insert(message.slots[place].address.raw) }
    }
    var all = names.map { Leak(site: $0) }
    world.program.sites.forEachLive { address, site, size, since in
      guard !held.contains(address.raw), site < all.count else { return }
      all[site].objects += 1
      all[site].bytes += UInt64(size)
      all[site].age = max(all[site].age, now - since)
    }
    return all
  }
}
