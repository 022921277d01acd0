// Texts in the reader's language. The catalogues are the same in shape, so a missing key does not compile.
import { createInstance } from 'i18next';
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';

import { Format, type Language } from './lib/format';
import en from './locales/en.json';
import zh from './locales/zh-CN.json';

type Catalogue = typeof en;
type SameShape<A, B> = [A, B] extends [B, A] ? true : never;
const shapesAgree: SameShape<typeof zh, Catalogue> = true;

type Keys<T, Prefix extends string = ''> = {
  [K in keyof T & string]: T[K] extends string ? `${Prefix}${K}` : Keys<T[K], `${Prefix}${K}.`>;
}[keyof T & string];
export type TextKey = Keys<Catalogue>;
export type Translate = (key: TextKey, params?: Record<string, string | number>) => string;

export interface Texts {
  t: Translate;
  format: Format;
  language: Language;
  setLanguage: (language: Language) => void;
}

const STORAGE_KEY = 'heartline-language';

const i18n = createInstance({
  resources: { en: { translation: en }, 'zh-CN': { translation: zh } },
  fallbackLng: 'en',
  // React escapes: what is put into a text stays text.
  interpolation: { escapeValue: false, skipOnVariables: true },
  showSupportNotice: false,
});
void (shapesAgree && i18n.init());

const TextContext = createContext<Texts | null>(null);

/** `?lang=` of the address, then the stored choice, then the browser's language; as public/boot.js decides. */
const languageNow = (): Language => (document.documentElement.lang === 'zh-CN' ? 'zh-CN' : 'en');

export function textsOf(language: Language, setLanguage: (language: Language) => void = () => undefined): Texts {
  const translate = i18n.getFixedT(language);
  return { t: (key, params) => translate(key, params ?? {}), format: new Format(language), language, setLanguage };
}

/** A text in the language that the page has now, for what is no component. */
export const textNow: Translate = (key, params) => i18n.getFixedT(languageNow())(key, params ?? {});

export function TextProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(languageNow);
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const texts = useMemo(() => textsOf(language, (next) => {
    remember(next);
    setLanguage(next);
  }), [language]);
  return <TextContext value={texts}>{children}</TextContext>;
}

/** Texts of one page that come with it and not with the first visit: its part of the catalogue, in all languages alike. */
export function textsBeside<T extends Record<string, string>>(name: string, catalogues: Record<Language, T>) {
  for (const [language, catalogue] of Object.entries(catalogues)) i18n.addResourceBundle(language, name, catalogue);
  return function useTextsBeside(): (key: keyof T & string, params?: Record<string, string | number>) => string {
    const { language } = useTexts();
    return useMemo(() => {
      const translate = i18n.getFixedT(language, name);
      return (key: string, params?: Record<string, string | number>): string => translate(key, params ?? {});
    }, [language]);
  };
}

export function useTexts(): Texts {
  const texts = useContext(TextContext);
  if (texts === null) throw new Error('useTexts needs a TextProvider');
  return texts;
}

function remember(language: Language): void {
  try {
    localStorage.setItem(STORAGE_KEY, language);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
  const address = new URL(window.location.href);
  if (address.searchParams.has('lang')) {
    address.searchParams.delete('lang');
    history.replaceState(null, '', address);
  }
}
