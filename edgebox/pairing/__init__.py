"""How a headset gets into its own vehicle and into no other. Cores without I/O, told the time.

Theory of operation. A device holds a P-256 key that cannot leave it; the fleet's staff enrol that
key (enrolment), and a list of all devices, signed by the fleet, lies on every box (registry).

    device                                      box
      hello: device id, nonce             ->
                                          <-    challenge: box, vehicle, nonce, time, certificate,
                                                signature of all of it (proof)
      checks the certificate against the
      fleet's authority it enrolled with
      prove: both nonces, box, vehicle,   ->    whose device is it (decision)? Was a code scanned
      own time, code from the panel,            from this panel (presence)? Is it the only one with
      last lease; signature of all of it        this key (lease: counters)?
                                          <-    bearer, digits, signed lease | waiting | refused
      heartbeat every 3 s, signed         ->    lost for 10 s: the lease ends

Being on the vehicle's Wi-Fi and knowing a device's id grant nothing. `gate.Gate` puts it together
for the box; `ledger.Ledger` is the hub's memory of who holds which device.
"""
