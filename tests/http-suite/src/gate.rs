use tokio::sync::watch;

/// A gate where a handler waits until the test opens it.
#[derive(Debug, Default)]
pub struct Gate {
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
    left: watch::Sender<usize>,
}

impl Gate {
    /// Waits until the gate is open.
    pub(crate) async fn pass(&self) {
        self.arrived.send_modify(|count| *count += 1);
        let _leaving = Leaving(&self.left);
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
    }

    /// Waits until `count` handlers have arrived at the gate.
    pub async fn wait_for_arrivals(&self, count: usize) {
        self.arrived.subscribe().wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    /// Waits until `count` handlers have left the gate: they passed, or were dropped.
    pub async fn wait_for_departures(&self, count: usize) {
        self.left.subscribe().wait_for(|left| *left >= count).await.unwrap();
    }

    /// Lets all handlers pass.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

struct Leaving<'a>(&'a watch::Sender<usize>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}
