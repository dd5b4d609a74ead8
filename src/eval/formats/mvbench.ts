import { answerWithLetter, lettered } from "../../prompt/choice.js";
import { list, number, optional, optionIndex, rowsOf, text } from "../cells.js";
import { choice, rightLetterOrText, videoEndings } from "../choice.js";
import { accuracyByGroup } from "../metrics.js";
import type { Format, Medium } from "../question.js";

/** Where the videos of a task lie in the published archives; several of these hold files of one name. */
const folders: Record<string, string> = {
  action_sequence: "star/Charades_v1_480",
  action_prediction: "star/Charades_v1_480",
  object_interaction: "star/Charades_v1_480",
  action_antonym: "ssv2_video",
  fine_grained_action: "Moments_in_Time_Raw/videos",
  unexpected_action: "FunQA_test/test",
  object_existence: "clevrer/video_validation",
  moving_direction: "clevrer/video_validation",
  moving_count: "clevrer/video_validation",
  moving_attribute: "clevrer/video_validation",
  counterfactual_inference: "clevrer/video_validation",
  object_shuffle: "perception/videos",
  action_count: "perception/videos",
  state_change: "perception/videos",
  character_order: "perception/videos",
  action_localization: "sta/sta_video",
  scene_transition: "scene_qa/video",
  fine_grained_pose: "nturgbd",
  egocentric_navigation: "vlnqa",
  episodic_reasoning: "tvqa/frames_fps3_hq",
};

export const mvbench: Format = {
  name: "mvbench",
  about: "MVBench: one JSON file a task; letter or text of the option, mean over tasks",
  frames: 16,
  questions: (data) =>
    rowsOf(data).map((row) => {
      const options = list(row, "candidates");
      const right = optionIndex(row, "answer", options);
      const task = row.data.name;
      const folder = folders[task];
      const bound = optional(row, "end") !== undefined && { start: number(row, "start"), end: number(row, "end") };
      const video: Medium = {
        kind: "video",
        file: text(row, "video"),
        folders: folder ? [folder, `video/${folder}`] : ["video"],
        endings: videoEndings,
        ...bound,
      };
      return choice({
        id: `${task}/${row.at + 1}`,
        prompt: () => [
          video,
          `\nQuestion: ${text(row, "question")}\nOptions:\n${lettered(options)}\n${answerWithLetter}`,
        ],
        options,
        right,
        groups: { task },
        read: rightLetterOrText(options, right),
      });
    }),
  metrics: accuracyByGroup("task"),
};
