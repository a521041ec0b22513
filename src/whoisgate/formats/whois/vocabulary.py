"""The words by which WHOIS answers label what they say, in many languages. Data alone.

A row is a target and the labels that mean it, each folded as `labels.folded` does: letters only,
lower case, without accents, words apart by one space, nothing in parentheses. To teach the reader
another layout, add its words here; a word that could stand before a person's datum as well never
goes into `PUBLIC`.
"""

from __future__ import annotations

from typing import Final

PUBLIC: Final = """
domain.name: domain | domain name | domainname | complete domain name | domain name sld | query
domain.name: dominio | nombre de dominio | nombre del dominio | nome de dominio | nome do dominio
domain.name: nom de domaine | domaine | dominio web | nome a dominio | nazwa domeny | domena
domain.name: ime domene | domene | domene navn | domannamn | verkkotunnus | naziv domena
domain.name: nazov domeny | domenove meno | nume domeniu | domeniu | tartomany | alan adi
domain.name: домен | доменное имя | имя домена | домеин | 도메인이름 | ドメイン名 | 域名 | 網域名稱
domain.handle: domain id | registry domain id | roid | domain name id | domain roid | registry id
domain.created: created | created on | created date | create date | creation date | creation
domain.created: created at | date created | domain created | domain creation date | creation time
domain.created: domain created date | domain created on | domain create date | record created
domain.created: registered | registered on | registered date | registration date | registered at
domain.created: registration time | registration | date registered | domain registered
domain.created: domain registration date | domain dateregistered | date of registration
domain.created: domain record activated | activated | activation date | activated on | reg date
domain.created: registration date activated on | domain name commencement date | reg created
domain.created: domain registered on | activation | assigned | registered since
domain.created: created by registry
domain.created: fecha de creacion | fecha de registro | fecha de alta | fecha creacion | creado
domain.created: creado el | fecha de activacion | fecha registro | data de registo | criado
domain.created: data de registro | data de criacao | data de ativacao | criado em
domain.created: date de creation | cree le | date d enregistrement | enregistre le | date creation
domain.created: erstellt | erstellt am | registriert | registriert am | registrierungsdatum
domain.created: data creazione | data di creazione | creato il | data registrazione | registrato
domain.created: data rejestracji | data utworzenia | utworzono | zarejestrowano
domain.created: datum registrace | registrace | registrovano | vytvoreno | zaregistrovano
domain.created: datum registracije | datum vytvorenia | registreerimise aeg | opprettet
domain.created: registrert | oprettet | skapad | registrerad | luotu | rekisteroity | rekisterointi
domain.created: data inregistrarii | inregistrat | regisztralas | regisztralva | letrehozva
domain.created: kayit tarihi | olusturma tarihi | olusturulma tarihi | sozdan | зарегистрирован
domain.created: создан | дата регистрации | дата создания | дата реєстрації | створено
domain.created: 登録年月日 | 登録日 | 作成日 | 注册时间 | 注册日期 | 创建时间 | 創建日期 | 등록일
domain.updated: updated | updated on | updated date | update date | update | last updated
domain.updated: last updated on | last update | last updated date | last update date | modified
domain.updated: last modified | last modified on | last modified date | modified on | modified date
domain.updated: modification date | date modified | date updated | changed | last changed
domain.updated: last change | changed on | change date | domain last updated date
domain.updated: domain last updated | domain last modified | domain datelastmodified
domain.updated: domain record last updated | record last updated | record last modified
domain.updated: domain last changed | domain updated date | domain updated | record updated
domain.updated: last edited | last edited on | updated at | last modification
domain.updated: record changed | modification | last update time
domain.updated: fecha de actualizacion | ultima actualizacion | ultima modificacion | actualizado
domain.updated: fecha de modificacion | fecha de ultima modificacion | modificado
domain.updated: data de alteracao | ultima alteracao | alterado | atualizado | ultima atualizacao
domain.updated: derniere modification | derniere mise a jour | mise a jour | modifie le
domain.updated: date de modification | date de derniere modification | geandert | geandert am
domain.updated: letzte anderung | zuletzt geandert | aktualisiert | ultimo aggiornamento
domain.updated: data modifica | ultima modifica | ostatnia modyfikacja | ostatnia zmiana
domain.updated: data ostatniej modyfikacji | zmeneno | posledni zmena | zmena | upraveno
domain.updated: zadnja sprememba | muutettu | endret | sist endret | sidst aendret | andrad
domain.updated: senast andrad | modositva | utolso modositas | actualizat | son guncelleme
domain.updated: guncelleme tarihi | обновлен | изменен | дата изменения | дата обновления | змінено
domain.updated: 最終更新 | 最終更新日 | 更新日 | 更新时间 | 更新日期 | 최근 정보 변경일
domain.expires: expires | expires on | expire | expired | expiry | expiry date | expire date
domain.expires: expire on | expiration | expiration date | expiration time | expires at
domain.expires: expiration on | registry expiry date | registry expiration date | renewal date
domain.expires: renewal | renewal due | paid till | paid until | paid up to | valid until
domain.expires: valid till | valid to | valid date | valid thru | validity | validity date
domain.expires: exp date | exp | domain expiration date | domain expires | domain expiry date
domain.expires: domain datebilleduntil | domain expiration | record expires | expiry on
domain.expires: registration expires | registration expiration date | registered until
domain.expires: registration valid until | date of expiration | domain valid until | billed until
domain.expires: domain expires on | expiring | expiring date | due date | registration expiration
domain.expires: registry registration expiration date | record expired | record expiry date
domain.expires: fecha de expiracion | fecha de vencimiento | fecha vencimiento | vence | expira
domain.expires: expira el | vencimiento | fecha de caducidad | valido hasta | fecha expiracion
domain.expires: data de expiracao | data de vencimento | expiracao | valido ate | data de validade
domain.expires: date d expiration | expire le | date expiration | expiration le | echeance
domain.expires: ablaufdatum | lauft ab | lauft ab am | gultig bis | registriert bis
domain.expires: scadenza | data scadenza | data di scadenza | scade il
domain.expires: data wygasniecia | wygasa | wazna do | koniec okresu rozliczeniowego
domain.expires: platnost do | expirace | plati do | datum expirace | datum isteka | istek
domain.expires: utloper | udlober | utgar | utgangsdatum | vanhenee | paattyy | voimassa
domain.expires: data expirarii | expira la | lejar | lejarat | ervenyes | bitis tarihi
domain.expires: оплачен до | дата окончания | действителен до | истекает | дата завершення
domain.expires: 有効期限 | 到期时间 | 到期日期 | 过期时间 | 過期日期 | 사용 종료일
domain.registrar_expires: registrar registration expiration date | registrar expiration date
domain.transferred: transferred | transferred on | transfer date | last transferred
domain.transferred: last transferred date | domain last transferred date | last transfer date
domain.status: status | domain status | epp status | eppstatus | state | domain state | domaintype
domain.status: query status | registration status | flags | domstatus | ren status | status code
domain.status: domain status code | registry status | estado | estado del dominio | statut
domain.status: estado do dominio | estatus | estatus del dominio | etat | statut du domaine | stato
domain.status: stav | stav domeny | stan | statuss | statusas | tila | durum | статус | состояние
domain.status: 状態 | 域名状态 | 状态 | 網域狀態 | 상태
domain.nameserver: nserver | name server | nameserver | name servers | nameservers | nservers
domain.nameserver: dns server | dns servers | dns | ns | domain servers | domain nameserver
domain.nameserver: domain nameservers | domain name server | domain name servers | ns name
domain.nameserver: domain servers in listed order | name servers in listed order
domain.nameserver: name servers in the listed order | nameservers in listed order
domain.nameserver: nameserver in listed order | domain name servers in listed order
domain.nameserver: name server information | name servers information | nameserver information
domain.nameserver: nameservers information | primary server | secondary server | third server
domain.nameserver: primary name server | secondary name server | primary nameserver
domain.nameserver: secondary nameserver | primary server hostname | secondary server hostname
domain.nameserver: third server hostname | fourth server hostname | fifth server hostname
domain.nameserver: sixth server hostname | primary dns | secondary dns | dns name | ns hostname
domain.nameserver: name server hostname | nameserver hostname | host servers | dns hosts
domain.nameserver: domain host | domain hosts | delegated name servers | name server s
domain.nameserver: nameserver s | domain nameserver s | domain dns servers | dns information
domain.nameserver: servidor dns | servidores dns | servidor de nombres | servidores de nombre
domain.nameserver: servidor de nombres de dominio | servidores de nombres
domain.nameserver: servidores de nombres de dominio | servidor es de dns
domain.nameserver: servidor es de nombres de dominio | servidor de nome | servidores de nome
domain.nameserver: servidores de nomes | serveur dns | serveurs dns | serveur de nom
domain.nameserver: serveurs de noms | serveur de noms | serveurs de nom | serveur s de noms
domain.nameserver: namensserver | serwer nazw | serwery nazw | serwery dns | dns serveri
domain.nameserver: nimipalvelin | nimipalvelimet | navneserver | navneservere | namnservrar
domain.nameserver: nimeserverid | servere de nume | nevszerver | nevszerverek | nazvy serveru
domain.nameserver: jmenne servery | server nomi | servidores | ad sunuculari | dns sunuculari
domain.nameserver: серверы имен | днс серверы | ネームサーバ | 域名服务器 | 域名伺服器 | 네임서버
domain.nameserver: 차 네임서버 정보 | 호스트이름
nameserver.address: ip address | primary ip address | secondary ip address | ip 주소 | ip
nameserver.address: netaddress | ns ip
nameserver.address: primary server netaddress | secondary server netaddress | name server ip
dnssec.signed: dnssec | dnssec signed | domain signed | signed | delegation signed | secure dns
dnssec.signed: dnssec status
dnssec.ds: ds | ds data | dnssec ds data | ds record | ds records | dnssec ds records | ds rdata
dnssec.ds: dsrecord
reseller.name: reseller | reseller name
registrar.provider: registration service provider | registration service provided by
registrar.provider: registered through | authorized agency | registration agent
registrar.name: registrar of record | current registrar | current registar | registrador
registrar.name: agente registrador | entidad registradora | entidade registadora
registrar.name: entidade registradora | registraire | bureau d enregistrement | registratore
registrar.name: rejestrator | registrator | registrierungsstelle | registrar hospedagem
registrar.name: rekisterinpitaja | valittaja | registratorius | registrars | registrars name
registrar.name: регистратор | реєстратор | 등록대행자 | 注册商 | 所属注册机构 | 註冊機構
registrar.name: レジストラ | kayit firmasi | registrar operatori | domain registrar
registrar.url: registration service url | registration url | registrar info
registrar.referral: whois server
registrar.referral_url: referral url
"""
"""Absolute labels: they say alone what they label. Several rows of a target add up."""

REGISTRAR: Final = "registrar | sponsoring registrar | current registrar | domain registrar"
"""What begins a label of the registrar's; `REGISTRAR_FIELDS` (or nothing) follows."""

REGISTRAR_FIELDS: Final = """
name: name | company | company name | full name | nombre | nom | nome
organization: organization | organisation | organization name | organisation name | org | org name
url: url | website | web site | web | www | homepage | info | registration services | site
iana_id: iana id | iana
whois_server: whois server | whois
abuse_email: abuse contact email | abuse email | abuse contact e mail | abuse e mail
abuse_phone: abuse contact phone | abuse phone | abuse contact tel
handle: id | handle | code | nic handle
"""

ROLES: Final = """
registrant: registrant | holder | owner | domain holder | domain owner | domain name holder
registrant: organization using domain name | organisation using domain name | org using domain name
registrant: domain registrant | registered owner | registrar customer | licensee | domain licensee
registrant: registry registrant | current registrant | domain owners | domain name owner | reg
registrant: titular | titular del dominio | propietario | proprietario | registrante | dueno
registrant: datos del propietario | datos del titular | titulaire | proprietaire | possesseur
registrant: inhaber | domaininhaber | domain inhaber | intestatario | assegnatario
registrant: abonent | wlasciciel | drzitel | drzitel domeny | majitel | vlasnik | lastnik | nosilac
registrant: innehaver | indehaver | innehavare | haltija | omaja | registreerija
registrant: domeniu titular | tulajdonos | alan adi sahibi | sahibi | владелец
registrant: администратор домена
registrant: 登録者名 | 登録者 | 注册者 | 注册人 | 域名持有者 | 註冊人 | 등록인
admin: admin | administrative | administrator | adm | ac | admin c | administration | adminc
admin: registry admin | account | responsable | contacto administrativo | contato administrativo
admin: contacto admin | contact administratif | administrativo | administratif | administrativer
admin: administrativer ansprechpartner | contatto amministrativo | kontakt administracyjny
admin: administrativni kontakt | administrativny kontakt | administrativna kontaktna osoba
admin: idari | idari yetkili | административный контакт | 管理联系人 | 管理聯絡人 | 책임자
admin: responsible | responsible person | administrative technical | administrativ | adminstrative
tech: tech | technical | tec | technician | tech c | zone | zone c | registrar technical
tech: registry tech | onsite | on site | techc | registrar tech | tc
tech: contacto tecnico | contato tecnico | responsable tecnico | responsavel tecnico | tecnico
tech: contact technique | technique | technischer ansprechpartner | technischer | contatto tecnico
tech: kontakt techniczny | technicky kontakt | tehnicki kontakt | tehnicna kontaktna oseba
tech: teknik | teknik yetkili | технический контакт | 技术联系人 | 技術聯絡人 | 公開連絡窓口
billing: billing | bill | financial | accounting | payment | billing c | registry billing
billing: invoice | invoicing | invoicing party | payer | contacto de cobranza | contacto de pago
billing: contacto financiero | contacto facturacion | entidade gestora | contact de facturation
billing: facturation | rechnungskontakt | kontakt rozliczeniowy | plateni kontakt | faturalama
billing: финансовый контакт | cobranza
"""
"""What begins a label of a contact's, or heads its section; a word of `CONTACT` may follow."""

CONTACT: Final = "c | contact | contacts | contact s | contact information | information | details"
"""What may stand between a role and a field, or after a role that heads a section."""

FIELDS: Final = """
handle: id | handle | nic hdl | nic hdl br | nic handle | nichdl | contact id | contact handle
handle: norid handle | code | contact code | pid | nichandle | nic id | ident | nic hdl dk
role: role
name: name | contact name | person | personname | full name | fullname | contact | person name
name: name last first | nombre | nom | nome | navn | namn | nimi | nazwa | jmeno | meno | ime | nume
name: nev | isim | adi | imie i nazwisko | nombre completo | имя | фио | ansprechpartner | attention
name: attn | contact person | contactperson | responsible person | 名前 | 氏名 | 姓名 | 이름
name: legal name | representative | persona de contacto | org person | real name | individual
first_name: first name | firstname | given name | vorname | prenom | primeiro nome | forename
last_name: last name | lastname | family name | surname | nachname | nom de famille
organization: organization | organisation | org | organization name | organisation name | org name
organization: orgname | company | company name | empresa | organizacion | organizacao | entreprise
organization: societe | organisme | firma | unternehmen | azienda | societa | organizzazione
organization: organizacja | organizace | organizacia | organizacija | organizatsioon | yritys
organization: cegnev
organization: cég | organizatie | kurum | kurulus | организация | 組織名 | 組織 | 单位 | 公司
organization: 기관명
organization: company english name | company chinese name | institution | business name
organization: organization loc | contact organization | department | legal entity
street: street | address | street address | addr | postal address | post address | address line
street: street line | address line one | direccion | domicilio | calle | endereco | morada | rua
street: adresse | rue | strasse | str | anschrift | indirizzo | via | adres | ulica | adresa | ulice
street: osoite | gatuadress | adress | aadress | cim | utca | adresi | адрес | улица | 住所 | 地址
street: 주소
street: po box | building | mailing address | location address | postaddress
street: address loc | 통신주소 | descr | description | 通讯地址 | suite | number
city: city | town | locality | ciudad | localidad | cidade | localidade | ville | stadt | ort
city: citta
city: miasto | mesto | miejscowosc | obec | grad | stad | by | kaupunki | oras | varos | sehir
city: linn
city: город | postal area | postarea | city loc | 城市 | municipality | suburb
state: state province | state | province | stateprovince | stateorprovince | state or province
state: region | provincia | departamento | bundesland | wojewodztwo | prefecture | county | comune
state: estado | st province | province state | kraj | область | stat
postal_code: postal code | postcode | postalcode | zip | zipcode | zip code | zip postal code
postal_code: post code | codigo postal | code postal | cp | plz | postleitzahl | cap | kod pocztowy
postal_code: psc | postinumero | postnummer | cod postal | iranyitoszam | posta kodu | индекс
postal_code: 郵便番号 | 우편번호 | 邮政编码 | postal | zip code postal code
postal_code: pcode
country: country | country code | countrycode | pais | pays | land | landcode | paese | kraj country
country: panstwo | zeme | krajina | drzava | maa | riik | tara | orszag | ulke | страна | 国家
country: 국가
country: cc | country loc | nation | countryname | country name
phone: phone | telephone | tel | phone number | voice | telephone number | tel no | phone no
phone: phones
phone: telefono | telefone | telefon | numero de telefono | puhelin | telefoonnummer | телефон
phone: mobile | mobile phone | gsm | 電話番号 | 电话 | 전화번호 | office phone | telephon
phone: phonenumber
phone_ext: phone ext | phone extension | ext | telephone ext
fax: fax | fax no | fax number | facsimile | facsimile number | faxno | telefax | faks | факс
fax: fax phone
fax: 番号 | faxnumber | fax番号 | 传真 | 팩스번호
fax_ext: fax ext | fax extension | facsimile ext
email: email | e mail | mail | email address | e mail address | e mailbox | mailbox
email: electronic mail
email: correo | correo electronico | correo e | courriel | e mel | e posta | eposta | epost | emails
email: adresse email | emailaddress | sahkoposti | contact email | adres e mail | почта | 电子邮件
email: 전자우편 | abuse mailbox | notify | upd to | メール | 邮箱
email: elektronicka posta
kind: type | kind | contact type | owner type | holder type | entity type
"""
"""Relative labels: they mean something only after a role, or in a contact's place."""

JOINED: Final = """
registrant.kind: ownertype | registrant type | holder type | owner type | registrant kind
registrant.name: person org | private person
registrant.organization: org holder
"""
"""Whole labels of contacts that the parts above do not make."""

PLACES: Final = """
domain: domain information | domain details | domain info | domain data | domain record | dominio
domain: domain | informacion del dominio | dates | relevant dates | important dates | key dates
domain: registration information | whois record | domain registration | additional info
domain: additional information | fechas | relevante daten | domain name information
registrar: registrar information | registrar details | registrar info | sponsoring registrar
registrar: registrar data | registrar contact information
abuse: abuse contact | abuse contacts
nameservers: host name | hostname | server | nserver | hostnames | server name | servername
nameservers: primary server | secondary server | name | dns | nameserver | ns
"""
"""Section heads, beside roles, registrars and name servers; in ``nameservers`` their own labels."""

HEADS: Final = """
person: nic hdl | nic hdl br | person | role | personname | contact | contact id | contact handle
person: norid handle | nic handle | nichandle | contact code | nichdl
hosts: nsset | ns list | name server handle | nameserver handle
other: server name | keyset | ds list | mntner | irt | key cert | inetnum | route | as block
other: dsl id
other: aut num | inet num
"""
"""The first label of a block that stands apart and tells what the whole block is about."""

PHRASES: Final = """
domain.created: record created on | record created | created on | registered on | domain created on
domain.created: domain registered on | registered before | domain registered | first registered on
domain.updated: record last updated on | record updated on | last modified on
domain.updated: record last updated | domain last updated on | record last modified on
domain.updated: record was last updated on
domain.expires: record expires on | expires on | record will expire on | domain expires on
domain.expires: registered until | record expires | expiry date is | domain will expire on
domain.expires: registration expires on | valid until | renewal date
domain.rdds_updated: database last updated on | whois database was last updated on
"""
"""What begins a sentence that ends with a date."""
