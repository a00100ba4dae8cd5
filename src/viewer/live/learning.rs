//! Runs and searches in the window: how they begin, and the news that come of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::{Kind, Learning, Live, Source, start_of, waker};
use crate::Result;
use crate::model::file;
use crate::signal::is_picture;
use crate::train::{Config, Signals};
use crate::viewer::errands::Errand;
use crate::viewer::latent::Origin;
use crate::viewer::learn::{self, News, Watch};
use crate::viewer::panel::{Course, LearnFacts, Tab};

impl Live {
    /// Learns these signals in this window.
    pub(super) fn begin(&mut self, config: Config, signals: &Signals) {
        let watch = learn::fit(self.device.clone(), config.clone(), signals.clone(), self.seed);
        let kind = Kind::Own(Box::new(signals.clone()));
        self.watch(watch, kind, config, signals);
    }

    /// Shows a run.
    pub(super) fn watch(&mut self, watch: Watch, kind: Kind, config: Config, signals: &Signals) {
        watch.wakes(waker(&self.proxy));
        let (names, pictures) = (signals.names(), signals.pictures());
        for (name, picture) in names.iter().zip(pictures) {
            self.truths.insert(name.clone(), Source::Here(Arc::new(picture.clone())));
        }
        let what = match (names, pictures) {
            ([name], [picture]) => format!("A single INR learns {name} ({}x{}).", picture.width, picture.height),
            ([name], _) => format!("A single INR learns the shape {name}."),
            (_, []) => format!("A hypernetwork learns {} shapes.", names.len()),
            _ => format!("A hypernetwork learns {} pictures.", names.len()),
        };
        if let Some(first) = pictures.first() {
            self.scene.shape = [first.width, first.height];
        }
        let rates = Some((config.optimiser.lr, config.optimiser.latent_lr));
        let steps = config.stop.steps;
        let own = matches!(kind, Kind::Own(_)).then_some(config);
        self.facts.learning = Some(LearnFacts {
            what,
            course: Course::default(),
            steps,
            seconds: 0.0,
            paused: false,
            end: None,
            config: own,
            rates,
        });
        self.learning = Some(Learning { watch, kind, asked: Instant::now(), fine: false });
        self.panel.tab = Tab::Learn;
    }

    /// Looks for the latent of a picture or of a shape.
    pub(super) fn search(&mut self, path: &Path) -> Result<()> {
        let (watch, signals) = learn::search(self.device.clone(), Arc::clone(&self.scene.model), path, self.seed)?;
        watch.wakes(waker(&self.proxy));
        let name = signals.names()[0].clone();
        if let Some(picture) = signals.pictures().first() {
            self.truths.insert(name.clone(), Source::Here(Arc::new(picture.clone())));
            self.truth_asked = None;
        }
        self.facts.learning = Some(LearnFacts {
            what: format!("The latent is sought that comes closest to {name}."),
            course: Course::default(),
            steps: None,
            seconds: 0.0,
            paused: false,
            end: None,
            config: None,
            rates: None,
        });
        self.learning = Some(Learning { watch, kind: Kind::Search(name), asked: Instant::now(), fine: false });
        if self.panel.tab != Tab::Map {
            self.panel.tab = Tab::Learn;
        }
        Ok(())
    }

    /// A file was dropped: a model opens; a picture or shape is sought in a model of such with latents, else learned, as a
    /// folder is.
    pub(super) fn dropped(&mut self, path: &Path) -> Result<()> {
        let solids = Signals::are_solids(path);
        if !path.is_dir() && !is_picture(path) && !solids {
            let model = Arc::new(file::load(path)?);
            crate::viewer::check(&model)?;
            self.replace(model)?;
            self.named(path.display().to_string());
            self.recall(false);
            return Ok(());
        }
        if self.scene.model.latent_dim() > 0 && !path.is_dir() && solids == self.scene.is_solid() {
            return self.search(path);
        }
        let (signals, config) = crate::viewer::to_learn(path)?;
        self.replace(start_of(&config, &signals, self.seed)?)?;
        self.begin(config, &signals);
        Ok(())
    }

    pub(super) fn take_news(&mut self) -> Result<()> {
        let Some(learning) = &mut self.learning else { return Ok(()) };
        if learning.asked.elapsed() >= learning.patience() {
            (learning.asked, learning.fine) = (Instant::now(), false);
            learning.watch.want();
        }
        let mut learned = None;
        let mut over = false;
        while let Some(news) = learning.watch.take() {
            let Some(facts) = &mut self.facts.learning else { break };
            self.window.request_redraw();
            match news {
                News::Learned { model, marks, seconds, end } => {
                    marks.iter().for_each(|m| self.trace.mark(m));
                    marks.into_iter().for_each(|m| facts.course.add(m));
                    facts.seconds = seconds;
                    facts.end = end.map(str::to_owned);
                    learned = Some(model);
                }
                News::Found { z, mark, steps } => {
                    self.trace.mark(&mark);
                    facts.course.add(mark);
                    facts.steps = Some(steps);
                    self.scene.move_to(z);
                    if let Kind::Search(name) = &learning.kind {
                        self.scene.codes.a.origin = Origin::Encoded(name.clone());
                    }
                    self.scene.codes.t = 0.0;
                    over = mark.step >= steps;
                    facts.end = over.then(|| "found".to_owned());
                }
                News::Close => self.quit = true,
                News::Failed(why) => {
                    facts.end = Some("it failed".into());
                    self.panel.error = Some(why);
                    over = true;
                }
            }
        }
        self.panel.held = !over;
        if over {
            self.learning = None;
        }
        if let Some(model) = learned {
            if !model.latents.is_empty() {
                self.clerk.ask(Errand::Principal(Arc::clone(&model)));
            }
            self.scene.learned(model);
            self.reload()?;
        }
        Ok(())
    }
}
