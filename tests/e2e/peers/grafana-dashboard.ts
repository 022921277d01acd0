// What a dashboard is to Grafana, panels with their own options included, as JSON may write it: words for enumerations.
import type { AnnotationQuery, Dashboard, DataQuery, FieldConfigSource, GraphFieldConfig, Panel, RowPanel } from '@grafana/schema';
import type * as Bars from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as Geomap from '@grafana/schema/dist/esm/raw/composable/geomap/panelcfg/x/GeomapPanelCfg_types.gen';
import type * as Heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as Pie from '@grafana/schema/dist/esm/raw/composable/piechart/panelcfg/x/PieChartPanelCfg_types.gen';
import type * as Stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as States from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as Table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as Lines from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Json<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends object ? { [K in keyof T]: Json<T[K]> } : T;

type Of<Type extends string, Options, Custom = object> = Omit<Panel, 'type' | 'options' | 'fieldConfig'> & {
  type: Type;
  title: string;
  description: string;
  options: Options;
  fieldConfig: FieldConfigSource<Custom>;
};

type Drawn = Of<'bargauge', Bars.Options> | Of<'geomap', Geomap.Options> | Of<'heatmap', Heatmap.Options, Heatmap.FieldConfig>
  | Of<'piechart', Pie.Options, Pie.FieldConfig> | Of<'stat', Stat.Options> | Of<'state-timeline', States.Options, States.FieldConfig>
  | Of<'table', Table.Options, Partial<Table.FieldConfig>> | Of<'timeseries', Lines.Options, GraphFieldConfig>;

/** What Prometheus has beside what all data sources have. */
type Annotation = AnnotationQuery<DataQuery & { expr: string }> & { titleFormat?: string; textFormat?: string };

export type Checked = Json<Omit<Dashboard, 'panels' | 'annotations'> & {
  panels: (Drawn | (Omit<RowPanel, 'panels'> & { panels: Drawn[] }))[];
  annotations: { list: Annotation[] };
}>;
